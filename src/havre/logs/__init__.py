"""What containers have written: where it goes, how it is kept small, read back and followed.

conmon writes the streams of each container into a file of its own, daemon or not. The log writer (``writer``, a child
process, asked through ``writing``) takes that on to where the container's driver says: ``drivers`` decides what it is
told (the plan), checks options and reads logs back.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records, and in what form. Times are nanoseconds since the epoch; ``framed`` asks for stdcopy frames.

    ``tail`` counts lines from the end, None is all. ``prefix`` stands before every line (after its time stamp).
    """

    stdout: bool
    stderr: bool
    since_ns: int | None = None
    until_ns: int | None = None
    timestamps: bool = False
    tail: int | None = None
    framed: bool = True
    prefix: bytes = b""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a log may tell about its container. ``created`` is in nanoseconds since the epoch."""

    id: str
    name: str
    image: str
    image_id: str
    command: str
    created: int
    environment: tuple[str, ...]
    labels: Mapping[str, str]


class LogDriver(Protocol):
    """One way to keep logs, named as in ``--log-driver``.

    ``check`` comes first, at create; at start ``plan`` and ``path``, for the log writer and for conmon; ``read`` at any
    time. What is in the container's directory is removed with it. ``connects`` says that a start has to wait for the
    log writer, since it may fail.
    """

    name: str
    connects: bool

    def check(self, options: Mapping[str, str]) -> None:
        """Raise ``InvalidParameter`` for an option or value the driver does not take."""

    def path(self, directory: Path) -> Path | None:
        """The file conmon appends to, below the container's ``directory``; None for no log at all."""

    def log_path(self, directory: Path) -> Path | None:
        """The file that others may read, in Docker's own format: ``LogPath`` of inspect."""

    def plan(self, facts: Facts, options: Mapping[str, str]) -> dict[str, Any] | None:
        """What the log writer is to do (``writer.job``), None for nothing. ``InvalidParameter`` when it cannot be."""

    def read(
        self, directory: Path, options: Mapping[str, str], selection: Selection, follow: "Follow | None"
    ) -> AsyncIterator[bytes]:
        """The selected records, oldest first, ready for the client; with ``follow`` also those still to come.

        Raises ``Unsupported`` with Docker's text when they cannot be read back.
        """


class Follow(Protocol):
    """Tells a reader when there may be more."""

    async def more(self) -> bool:
        """Wait until something was written or the writer has ended; False when it has ended."""
