"""Turns each request that has been answered into a line of the audit log."""

import time
from typing import Protocol

from havre.registry.access.peers import Peers
from havre.registry.call import Call
from havre.registry.reports.audit import AuditRecord
from havre.registry.seams import Event


class AuditWriter(Protocol):
    """Where lines go."""

    def write(self, record: AuditRecord) -> None:
        """Write the record's line."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class Auditor:
    """An observer of the registry."""

    def __init__(self, writer: AuditWriter, peers: Peers) -> None:
        self._writer = writer
        self._peers = peers

    def told(self, event: Event) -> None:
        """Requests are what is written, not what they did."""

    def answered(self, call: Call, status: int, sent: int, seconds: float) -> None:
        """Write a request's line."""
        request = call.request
        self._writer.write(
            AuditRecord(
                time=time.time_ns(),
                request_id=call.id,
                address=self._peers.address(request),
                identity=str(call.identity),
                method=request.method,
                path=request.path,
                status=status,
                sent=sent,
                received=request.content.total_bytes,
                seconds=seconds,
                action=call.action,
                repository=call.repository,
                user_agent=request.headers.get("User-Agent", ""),
            )
        )
