"""The sections ``upstreams`` and ``cache`` of the configuration, and which repository comes from which upstream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from havre.errors import InvalidParameter
from havre.registry import names, sections
from havre.registry.errors import NameInvalid
from havre.registry.peers import Peer
from havre.registry.sections import Seconds, Size, Table

_HUB = "registry-1.docker.io"


class Upstream(Peer, frozen=True):
    """A registry whose repositories appear here below a prefix, its name in the section.

    ``tag_ttl`` is how long a tag is not asked for again. ``namespaces`` are the hosts it stands for when a client names
    one (``?ns=``); by default the prefix and the URL's host. Of the ``default`` come repositories that are not here and
    have no upstream's prefix: what ``registry-mirrors`` of a Docker daemon wants.
    """

    tag_ttl: Seconds = Seconds(300)
    namespaces: tuple[str, ...] = ()
    default: bool = False

    @property
    def private(self) -> bool:
        """Whether it shows us what it does not show everybody."""
        return bool(self.username or self.cert)


class Cache(Table, frozen=True):
    """``size`` bounds what is kept of upstreams (0: as much as the disk holds). ``negative_ttl`` is how long it is
    believed that an upstream does not have something.
    """

    size: Size = Size(0)
    negative_ttl: Seconds = Seconds(10)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a repository comes from: the upstream's prefix, and the repository's name there."""

    prefix: str
    path: str


@dataclass(frozen=True, slots=True)
class Upstreams:
    """All that is set about them, by prefix."""

    table: Mapping[str, Upstream]
    cache: Cache

    def origin(self, repository: str) -> Origin | None:
        """Where ``repository`` comes from; None for one of our own. The longest prefix wins."""
        parts = repository.split("/")
        for length in range(len(parts) - 1, 0, -1):
            prefix = "/".join(parts[:length])
            found = self.table.get(prefix)
            if found is not None:
                path = "/".join(parts[length:])
                # As people call the images of Docker Hub.
                official = found.host == _HUB and "/" not in path
                return Origin(prefix, f"library/{path}" if official else path)
        return None

    def cached(self, repository: str) -> bool:
        """Whether ``repository`` comes from an upstream."""
        return self.origin(repository) is not None

    def of_namespace(self, namespace: str) -> str | None:
        """The prefix of the upstream that stands for the host ``namespace``."""
        for prefix, found in self.table.items():
            if namespace in (found.namespaces or (prefix, found.host)):
                return prefix
        return None

    @property
    def default(self) -> str | None:
        """The prefix of the default upstream."""
        return next((prefix for prefix, found in self.table.items() if found.default), None)


def read(found: Mapping[str, Mapping[str, Any]]) -> Upstreams:
    """Both sections. Raises ``InvalidParameter``."""
    table = sections.read(found, "upstreams", dict[str, Upstream])
    for prefix in table:
        try:
            names.repository(prefix)
        except NameInvalid:
            raise InvalidParameter(f"[upstreams]: {prefix!r} cannot be the beginning of a repository's name") from None
    if not table and found.get("cache"):
        raise InvalidParameter("[cache] is for what comes from upstreams: there are none")
    if sum(each.default for each in table.values()) > 1:
        raise InvalidParameter("[upstreams]: more than one is the default")
    return Upstreams(table, sections.read(found, "cache", Cache))
