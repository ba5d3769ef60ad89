"""Builds what tells of the registry, from the settings."""

import socket
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from havre.errors import InvalidParameter
from havre.registry.access.gate import AccessGate
from havre.registry.app import Registry
from havre.registry.config import Config
from havre.registry.reports.audit import AuditLog, AuditStream
from havre.registry.reports.happenings import Teller
from havre.registry.reports.health import Health
from havre.registry.reports.metrics import Metrics
from havre.registry.reports.requests import Auditor, AuditWriter
from havre.registry.reports.webhooks.delivery import Endpoint, Webhooks
from havre.registry.reports.webhooks.journal import FILE as JOURNAL
from havre.registry.reports.webhooks.journal import Journal
from havre.registry.reports.webhooks.queue import FILE as QUEUE
from havre.registry.reports.webhooks.queue import EventQueue

_KEYS = {"url", "secret", "secret-file", "actions", "headers", "timeout"}


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
    endpoints = endpoints_of(config.sections.get("webhooks", []))
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


def endpoints_of(section: Any) -> Sequence[Endpoint]:
    """The receivers in the file's ``[[webhooks]]``. InvalidParameter for what makes no sense."""
    if not isinstance(section, list) or not all(isinstance(entry, dict) for entry in section):
        raise InvalidParameter("webhooks must be a list of tables: [[webhooks]]")
    endpoints = [_endpoint(entry, f"webhook {number}") for number, entry in enumerate(section, start=1)]
    if len({endpoint.url for endpoint in endpoints}) < len(endpoints):
        raise InvalidParameter("two webhooks have the same url")
    return endpoints


def _endpoint(entry: Mapping[str, Any], where: str) -> Endpoint:
    for key in entry:
        if key not in _KEYS:
            raise InvalidParameter(f"{where}: unknown key {key!r} (known: {', '.join(sorted(_KEYS))})")
    url, secret, timeout = entry.get("url"), entry.get("secret", ""), entry.get("timeout", 10)
    headers, actions = entry.get("headers", {}), entry.get("actions", ["push", "mount", "delete"])
    if not isinstance(url, str) or not isinstance(secret, str) or type(timeout) not in (int, float) or timeout <= 0:
        raise InvalidParameter(f"{where}: url and secret are texts, timeout a number of seconds")
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise InvalidParameter(f"{where}: headers is a table of texts")
    if not isinstance(actions, list) or not all(isinstance(action, str) for action in actions):
        raise InvalidParameter(f"{where}: actions is a list of texts")
    if "secret-file" in entry:
        if secret:
            raise InvalidParameter(f"{where}: secret and secret-file mean the same: set one")
        try:
            secret = Path(str(entry["secret-file"])).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidParameter(f"{where}: cannot read secret-file: {error}") from None
    return Endpoint(url, secret, frozenset(actions), headers, timeout)
