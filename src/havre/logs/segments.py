"""The files conmon writes: ``log`` is the newest, ``log.<n>`` (or ``log.<n>.gz``) are those before it, in order of n.

A rotation gives ``log`` the next number and asks conmon to open its file again. Until ``log`` is there once more,
conmon writes to the one just renamed: it is complete when something newer exists. Both halves, daemon and log writer,
come in here; nothing but the standard library is imported.
"""

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

NEWEST = "log"
_NUMBERED = re.compile(r"log\.([0-9]+)(\.gz)?")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """A file that was rotated away."""

    number: int
    path: Path

    @property
    def compressed(self) -> bool:
        return self.path.suffix == ".gz"


def rotated(directory: Path) -> list[Segment]:
    """The rotated files, oldest first; of one that is there twice, compression being cut short, the plain one."""
    found: dict[int, Segment] = {}
    for name in sorted(os.listdir(directory), reverse=True):
        if match := _NUMBERED.fullmatch(name):
            found[int(match[1])] = Segment(int(match[1]), directory / name)
    return [found[number] for number in sorted(found)]


def rotate(directory: Path, least: int = 1) -> Segment | None:
    """Rename the newest file; None when there is none: its writer has not opened a new one since the last time."""
    before = rotated(directory)
    number = max(least, before[-1].number + 1 if before else 1)
    path = directory / f"{NEWEST}.{number}"
    try:
        (directory / NEWEST).rename(path)
    except FileNotFoundError:
        return None
    return Segment(number, path)


def compress(path: Path, target: Path) -> None:
    """Replace ``path`` by ``target``, gzipped; a name appears only when it is whole."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    partial = target.with_name(f".{target.name}.tmp")
    with path.open("rb") as plain, partial.open("wb") as packed:
        while block := plain.read(_BLOCK):
            packed.write(packer.compress(block))
        packed.write(packer.flush())
        os.fchmod(packed.fileno(), 0o640)
    partial.rename(target)
    path.unlink(missing_ok=True)
