"""The Dockerfiles of ``tests/dockerfiles``: each a file with a context, how it is built, and what must come of it.

Who comes in: ``test_dockerfiles``, and whoever builds the same by another door. The keys of a file:

``dockerfile``, ``path``, ``crlf``      the text, where it lies in the context, with a byte order mark and Windows' ends
``context``, ``prepare``                files by name, and a shell script that makes the rest in the context
``flags``, ``base``, ``debian``         of ``docker build``; an image to be built first; whether it stands on Debian
``files``, ``absent``                   what the image must and must not hold
``config``, ``unset``                   what its configuration must hold, and what must be empty in it
``run``                                 a command to run in it, and all it must say
``classic``                             Docker's classic builder makes the same of it
"""

import subprocess
import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent.parent / "dockerfiles"
_KINDS = {
    tarfile.DIRTYPE: "directory",
    tarfile.REGTYPE: "file",
    tarfile.SYMTYPE: "link",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "c",
    tarfile.BLKTYPE: "b",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One of them, by its name."""

    name: str
    body: Mapping[str, Any]

    def write(self, directory: Path) -> None:
        """The context, in a directory that is made for it."""
        directory.mkdir()
        for name, text in self.body.get("context", {}).items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o644)
        dockerfile = self.body["dockerfile"].lstrip("\n")
        if self.body.get("crlf"):
            dockerfile = "\ufeff" + dockerfile.replace("\n", "\r\n")
        path = directory / self.body.get("path", "Dockerfile")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(dockerfile.encode())
        subprocess.run(["sh", "-euc", self.body.get("prepare", ":")], cwd=directory, check=True)

    def flags(self, directory: Path) -> list[str]:
        """What ``docker build`` is told; the context is at ``directory``."""
        flags = list(self.body.get("flags", []))
        return [str(directory / flag) if flag == self.body.get("path") else flag for flag in flags]

    def wrong(self, image: tarfile.TarFile) -> list[str]:
        """What is not as it should be in the image's files."""
        members = {"/" + member.name.rstrip("/"): member for member in image.getmembers()}
        found = [f"{path} is there" for path in self.body.get("absent", []) if path in members]
        for path, expected in self.body.get("files", {}).items():
            member = members.get(path)
            seen = None if member is None else _looks(image, member)
            wanted = {"text": expected} if isinstance(expected, str) else expected
            if seen is None or any(seen.get(key) != value for key, value in wanted.items()):
                found.append(f"{path} is {seen}, not {wanted}")
        return found


def cases() -> list[Case]:
    """All of them."""
    return [Case(path.stem, tomllib.loads(path.read_text())) for path in sorted(DIRECTORY.glob("*.toml"))]


def _looks(image: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    """What can be asked of a file; a hard link is looked at where its content is."""
    if member.islnk():
        return _looks(image, image.getmember(member.linkname))
    kind = _KINDS[member.type]
    content = image.extractfile(member) if kind == "file" and member.size < 1 << 20 else None
    return {
        "kind": kind,
        "mode": member.mode,
        "owner": f"{member.uid}:{member.gid}",
        "link": member.linkname,
        "size": member.size,
        "text": content.read().decode() if content is not None else None,
        "device": f"{kind} {member.devmajor}:{member.devminor}",
    }
