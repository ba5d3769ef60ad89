"""What the builder asks of whoever can run a process in a container: the engine does, the daemon joins the two."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from havre.wire.containers import HostConfig

Write = Callable[[int, bytes], None]
"""Takes output: 1 for stdout, 2 for stderr, and the bytes."""


@dataclass(frozen=True, slots=True)
class BindMount:
    """Files of the host at ``target``."""

    source: Path
    target: str
    readonly: bool


@dataclass(frozen=True, slots=True)
class TemporaryMount:
    """An empty file system in memory at ``target``; ``size`` in bytes, None for the kernel's default."""

    target: str
    size: int | None = None
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """One command. ``rootfs`` is mounted; ``host`` has limits, extra hosts, DNS and the like, as for a container."""

    id: str
    rootfs: Path
    words: tuple[str, ...]
    environment: tuple[str, ...]
    directory: str
    user: str
    network: str
    privileged: bool
    host: HostConfig
    hostname: str = "buildkitsandbox"
    binds: tuple[BindMount, ...] = ()
    temporary: tuple[TemporaryMount, ...] = field(default=())


class Executor(Protocol):
    """Runs commands in a container's surroundings, without a container's record."""

    @property
    def underlay(self) -> Path:
        """Files that every container sees, between its image's and its own."""

    async def run(self, execution: Execution, write: Write) -> int:
        """Run the command and return its exit code. Cancelled, it ends the command first.

        Nothing is left of it on return, however it ends. Raises ``StartFailed`` when it cannot be started.
        """
