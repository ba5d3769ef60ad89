"""Builds what tells of the registry, from the settings."""

import socket
import uuid
from pathlib import Path

from havre.registry.access.gate import AccessGate
from havre.registry.app import Registry
from havre.registry.config import Config
from havre.registry.reports.audit import AuditLog, AuditStream
from havre.registry.reports.happenings import Teller
from havre.registry.reports.health import Health
from havre.registry.reports.metrics import Metrics
from havre.registry.reports.requests import Auditor, AuditWriter
from havre.registry.reports.webhooks.delivery import Webhooks
from havre.registry.reports.webhooks.journal import FILE as JOURNAL
from havre.registry.reports.webhooks.journal import Journal
from havre.registry.reports.webhooks.queue import FILE as QUEUE
from havre.registry.reports.webhooks.queue import EventQueue
from havre.registry.reports.webhooks.receivers import endpoints_of


class Reports:
    """What has to be started and ended."""

    def __init__(self, webhooks: Webhooks | None, audit: AuditWriter | None) -> None:
        self._webhooks = webhooks
        self._audit = audit

    async def start(self) -> None:
        """Begin to deliver."""
        if self._webhooks is not None:
            await self._webhooks.start()

    async def close(self) -> None:
        """End it; nothing is answered any more."""
        if self._webhooks is not None:
            await self._webhooks.close()
        if self._audit is not None:
            self._audit.close()


def install(registry: Registry, gate: AccessGate, config: Config) -> Reports:
    """Let observers see what ``registry`` does, and give it their pages. Raises ``InvalidParameter``."""
    settings = config.reports
    audit: AuditWriter | None = None
    if settings.audit_log == "-":
        audit = AuditStream()
    elif settings.audit_log:
        audit = AuditLog(Path(settings.audit_log), settings.audit_size, settings.audit_keep)
    endpoints = endpoints_of(config.sections)
    webhooks = None
    if endpoints:
        queue = EventQueue(config.root / QUEUE)
        journal = Journal(config.root / JOURNAL)
        address = f"{socket.gethostname()}:{config.host_and_port[1]}"
        webhooks = Webhooks(endpoints, queue, journal, address=address, instance=str(uuid.uuid4()))
        registry.observers.append(Teller(webhooks, gate.peers))
    if audit is not None:
        registry.observers.append(Auditor(audit, gate.peers))
    metrics = Metrics(registry, config.root, [webhooks.delivered] if webhooks is not None else [])
    registry.observers.append(metrics)
    registry.add("GET", "/metrics", metrics.page, "open" if settings.metrics_open else "admin")
    health = Health(config.root)
    for method in ("GET", "HEAD"):
        registry.add(method, "/healthz", health.page)
    return Reports(webhooks, audit)
