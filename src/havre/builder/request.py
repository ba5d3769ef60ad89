"""What is to be built: a Dockerfile, contexts, and everything the client says beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from havre.builder.lock import Lock
from havre.builder.secrets import GivenSecrets, Secrets
from havre.builder.transfer import Transfer
from havre.builder.trees import Directory
from havre.image.manifest import Platform
from havre.image.store import Image
from havre.lib.dockerignore import Ignore
from havre.lib.references import Reference
from havre.wire.containers import HostConfig


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One build. ``contexts`` are the named ones: directories, or images by reference.

    ``host`` has limits, extra hosts and network mode of commands. ``epoch`` is SOURCE_DATE_EPOCH in nanoseconds.
    ``ignored`` is what was left out of the context, for lint to know. ``why``: tell of steps that run what changed.
    ``lock`` records what names stand for, or demands it; ``transfer`` has caches of other machines.
    ``ignore_cache``: no step is taken from the cache; ``ignore_cache_of``: none of those stages.
    """

    dockerfile: bytes
    context: Directory
    contexts: Mapping[str, Directory | str] = field(default_factory=dict)
    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    names: Sequence[Reference] = ()
    pull: bool = False
    ignore_cache: bool = False
    ignore_cache_of: frozenset[str] = frozenset()
    host: HostConfig = field(default_factory=HostConfig)
    secrets: Secrets = field(default_factory=GivenSecrets)
    epoch: int | None = None
    allow_insecure: bool = False
    ignored: Ignore = field(default_factory=Ignore)
    why: bool = False
    lock: Lock | None = None
    transfer: Transfer | None = None


class BaseImages(Protocol):
    """Where base images come from."""

    async def image(self, reference: str, platform: Platform, pull: bool) -> Image:
        """The image of this name for ``platform``, pulled when it is not here, or (``pull``) in any case."""
