"""Turns what happens in the registry into the events of webhooks."""

import time
from collections.abc import Mapping

from havre.registry.access.peers import Peers
from havre.registry.call import Call
from havre.registry.reports.webhooks.delivery import Webhooks
from havre.registry.reports.webhooks.envelope import Happening
from havre.registry.seams import Event

_ACTIONS: Mapping[str, str] = {"pushed": "push", "pulled": "pull", "mounted": "mount", "deleted": "delete"}


class Teller:
    """An observer of the registry."""

    def __init__(self, webhooks: Webhooks, peers: Peers) -> None:
        self._webhooks = webhooks
        self._peers = peers

    def told(self, event: Event) -> None:
        """Tell the receivers."""
        request: dict[str, str] = {}
        if event.call is not None:
            scheme, _, host = self._peers.base_url(event.call.request).partition("://")
            request = {
                "request_id": event.call.id,
                "address": self._peers.address(event.call.request),
                "host": host,
                "scheme": scheme,
                "method": event.call.method,
                "user_agent": event.call.headers.get("User-Agent", ""),
            }
        self._webhooks.tell(
            Happening(
                action=_ACTIONS[event.happening],
                kind=event.kind,
                repository=event.repository,
                time=time.time_ns(),
                digest=event.digest,
                media_type=event.media_type or "application/octet-stream",
                size=event.size,
                tag=event.tag,
                from_repository=event.origin,
                actor=event.identity.name,
                **request,
            )
        )

    def answered(self, call: Call, status: int, sent: int, seconds: float) -> None:
        """Receivers are told of content, not of requests."""
