"""Where policy and the life of content join the core: small Protocols, asked and told at fixed points of a request.

The order of a request is: ``Gate.admit``; for a pull what ``Upstream`` may bring; for a push ``Quota.room``; the work;
``Observer.told`` for what has then happened (and is on disk); the answer; ``Observer.answered``. Everything has a
default here that does nothing, so that the core serves without any of it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from havre.registry.identity import ANONYMOUS, Identity
from havre.registry.storage import Content

if TYPE_CHECKING:
    from havre.registry.call import Call

Action = Literal["pull", "push", "delete", "catalog", "admin", "open"]
"""What a request wants: ``catalog`` is the list of all repositories, ``admin`` what only the operator may, ``open`` the
version probe ``/v2/`` and pages that show nothing of repositories."""

Happening = Literal["pushed", "pulled", "mounted", "deleted"]
Kind = Literal["manifest", "blob"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What has happened, after the fact. ``tag`` is "" when a digest was used; deleting a tag leaves ``digest`` as the
    manifest it named; deleting a manifest is told for each of its tags, and then without one. ``size`` is in bytes;
    ``origin`` is the repository a blob was mounted from; ``call`` is the request, if it was one."""

    happening: Happening
    kind: Kind
    repository: str
    digest: str
    tag: str = ""
    media_type: str = ""
    size: int = 0
    identity: Identity = ANONYMOUS
    origin: str = ""
    call: "Call | None" = None


class Gate(Protocol):
    """Decides about requests, before anything of them is looked at but method and path."""

    async def admit(self, call: "Call", action: Action, repository: str | None) -> Identity:
        """Who asks. Raises ``Unauthorized`` (with the challenge), ``Denied`` or ``TooManyRequests``.

        Asked again for a mount, with the action ``pull`` and the repository the blob comes from: ``Denied`` and
        ``Unauthorized`` then mean no more than that the client has to send the blob.
        """

    def may_read(self, call: "Call", repository: str) -> bool:
        """Whether lists show ``repository`` to the identity of ``call``, which has been admitted."""


class Observer(Protocol):
    """Is told what has happened. Returns at once: what takes time is put into a queue of its own."""

    def told(self, event: Event) -> None:
        """Something was pushed, pulled, mounted or deleted."""

    def answered(self, call: "Call", status: int, sent: int, seconds: float) -> None:
        """A request has ended with ``status`` and ``sent`` bytes of body; also one that was refused."""


class Upstream(Protocol):
    """Brings what is not here from elsewhere, for the repositories that come from elsewhere."""

    async def localized(self, call: "Call", repository: str) -> str:
        """The repository that ``call``, a request for ``repository``, means: a client may have been told to come here
        in place of another registry, which it may name (``?ns=``)."""

    def refuse_push(self, repository: str) -> None:
        """Raises ``Denied`` for a repository that comes from elsewhere."""

    async def tags(self, repository: str) -> list[str] | None:
        """The tags there are elsewhere, in byte order; None when those that are here are to be told."""

    async def manifest(self, repository: str, reference: str) -> None:
        """Asked before every pull of a manifest. Puts it into the catalog if it is elsewhere and not here, or newer
        there; a digest that is here needs nothing. Returning without it means that nobody has it."""

    async def blob(self, repository: str, digest: str) -> Content | None:
        """Asked for a blob that is not here: its content, which may still be on its way in, or None."""


class Quota(Protocol):
    """Bounds what a repository may hold."""

    async def room(self, repository: str, size: int, digest: str = "") -> None:
        """Raises ``Denied`` if ``size`` bytes more would be too many. ``size`` is 0 while nobody knows it yet; content
        that is known to be ``digest`` may be here already."""

    async def left(self, repository: str) -> int | None:
        """How many bytes more it may hold; None when nothing bounds it."""


class OpenGate:
    """Everybody may do everything: for the loopback."""

    async def admit(self, call: "Call", action: Action, repository: str | None) -> Identity:
        return ANONYMOUS

    def may_read(self, call: "Call", repository: str) -> bool:
        return True


class NoUpstream:
    """All there is is here."""

    async def localized(self, call: "Call", repository: str) -> str:
        return repository

    def refuse_push(self, repository: str) -> None:
        return None

    async def tags(self, repository: str) -> list[str] | None:
        return None

    async def manifest(self, repository: str, reference: str) -> None:
        return None

    async def blob(self, repository: str, digest: str) -> Content | None:
        return None


class NoQuota:
    """As much as the disk holds."""

    async def room(self, repository: str, size: int, digest: str = "") -> None:
        return None

    async def left(self, repository: str) -> int | None:
        return None
