"""What containers have written: how it is kept, read back, followed and rotated.

A driver decides where output goes. Its life: ``path`` tells conmon where to write (None: nowhere); while the container
runs, ``rotate`` is called now and then; ``read`` gives the records back at any time, also after the end; ``remove``
deletes all of it.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


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


class LogDriver(Protocol):
    """One way to keep logs."""

    name: str

    def path(self, directory: Path) -> Path | None:
        """The file conmon appends to, below the container's ``directory``."""

    def read(self, directory: Path, selection: Selection, follow: "Follow | None") -> AsyncIterator[bytes]:
        """The selected records, oldest first, ready for the client; with ``follow`` also those still to come."""

    def rotate(self, directory: Path, options: Mapping[str, str]) -> bool:
        """Move full files away; True when conmon has to open its file again."""

    def check(self, options: Mapping[str, str]) -> None:
        """Raise ``InvalidParameter`` for an option or value the driver does not take."""


class Follow(Protocol):
    """Tells a reader when there may be more."""

    async def more(self) -> bool:
        """Wait until something was written or the writer has ended; False when it has ended."""
