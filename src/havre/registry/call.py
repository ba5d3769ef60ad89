"""One request on its way through the registry: what a handler gets."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp.web_request import BaseRequest

from havre.registry.identity import ANONYMOUS, Identity
from havre.registry.seams import Action, Event, Happening, Kind

if TYPE_CHECKING:
    from havre.registry.app import Registry


@dataclass(slots=True)
class Call:
    """``repository`` is "" where the path names none; ``reference`` is what stands last in the path: a tag, a digest,
    an upload. ``identity`` is set once the gate has let the request in."""

    request: BaseRequest
    registry: "Registry"
    action: Action = "open"
    repository: str = ""
    reference: str = ""
    identity: Identity = ANONYMOUS

    id: str = field(default_factory=lambda: secrets.token_hex(8))
    """What the audit log and webhooks call this request."""
    answer_headers: Mapping[str, str] | None = None
    """What every answer to it is to say besides, such as what is left of a rate limit. None until that is known."""

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def headers(self) -> Mapping[str, str]:
        return self.request.headers

    def query(self, name: str) -> str | None:
        """The first value of a query parameter, or None."""
        return self.request.rel_url.query.get(name)

    def queries(self, name: str) -> list[str]:
        """All values of a query parameter."""
        return self.request.rel_url.query.getall(name, [])

    def tell(
        self,
        happening: Happening,
        kind: Kind,
        digest: str,
        *,
        tag: str = "",
        media_type: str = "",
        size: int = 0,
        origin: str = "",
    ) -> None:
        """Tell the observers what has happened to this call's repository."""
        event = Event(
            happening=happening,
            kind=kind,
            repository=self.repository,
            digest=digest,
            tag=tag,
            media_type=media_type,
            size=size,
            identity=self.identity,
            origin=origin,
            call=self,
        )
        for observer in self.registry.observers:
            observer.told(event)
