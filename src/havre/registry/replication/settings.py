"""The section ``replication`` of the configuration: a target for each name in it."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from havre.errors import InvalidParameter
from havre.registry import names, sections
from havre.registry.access import globs
from havre.registry.errors import NameInvalid
from havre.registry.peers import Peer

NAME = "replication"


class Target(Peer, frozen=True):
    """A registry that repositories which fit one of ``repositories`` are pushed on to, with ``prefix`` before their
    names. ``tags`` are patterns of those that go, manifests without a tag go as well if it is empty. ``deletes``
    passes on deletions.
    """

    repositories: tuple[str, ...] = ("**",)
    prefix: str = ""
    tags: tuple[str, ...] = ()
    deletes: bool = False

    def wants(self, repository: str, tag: str) -> bool:
        """Whether a tag ("" for a manifest without one) of ``repository`` goes there."""
        if not any(globs.match(pattern, repository) for pattern in self.repositories):
            return False
        return not self.tags or any(fnmatchcase(tag, pattern) for pattern in self.tags if tag)


def read(found: Mapping[str, Any]) -> dict[str, Target]:
    """The section. Raises ``InvalidParameter``."""
    targets = sections.read(found, NAME, dict[str, Target])
    for name, target in targets.items():
        try:
            for pattern in target.repositories:
                globs.check(pattern)
            names.repository(f"{target.prefix}a")
        except ValueError as error:
            raise InvalidParameter(f"[{NAME}.{name}]: {error}") from None
        except NameInvalid:
            raise InvalidParameter(f"[{NAME}.{name}]: {target.prefix!r} cannot begin a repository's name") from None
    return targets
