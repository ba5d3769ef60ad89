"""Layers for the tests of unpacking: archives made member by member, and stacks of directories to unpack them into."""

import io
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from havre.kernel.unpack import Limits, Unpacked, unpack

Member = dict[str, Any]


def file(name: str, data: bytes = b"", **fields: Any) -> Member:
    return {"name": name, "type": tarfile.REGTYPE, "data": data, "mode": 0o644, **fields}


def directory(name: str, **fields: Any) -> Member:
    return {"name": name, "type": tarfile.DIRTYPE, "mode": 0o755, **fields}


def link(name: str, target: str, **fields: Any) -> Member:
    return {"name": name, "type": tarfile.SYMTYPE, "linkname": target, **fields}


def hard(name: str, target: str, **fields: Any) -> Member:
    return {"name": name, "type": tarfile.LNKTYPE, "linkname": target, **fields}


def special(name: str, kind: bytes, major: int = 0, minor: int = 0, **fields: Any) -> Member:
    return {"name": name, "type": kind, "devmajor": major, "devminor": minor, "mode": 0o600, **fields}


def tar(*members: Member, format: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for member in members:
            info = tarfile.TarInfo(member["name"])
            for key, value in member.items():
                if key == "xattrs":
                    info.pax_headers = {f"SCHILY.xattr.{name}": text for name, text in value.items()}
                elif key != "data":
                    setattr(info, key, value)
            info.size = len(member.get("data", b""))
            archive.addfile(info, io.BytesIO(member.get("data", b"")))
    return buffer.getvalue()


class Layers:
    """Directories of one test; each ``unpack`` makes the next layer on those before."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.below: list[Path] = []

    async def unpack(self, data: bytes, limits: Limits = Limits(), keep: bool = True) -> Path:  # noqa: B008
        self.last, self.target = await self.attempt(data, limits)
        if keep:
            self.below.insert(0, self.target)
        return self.target

    async def attempt(self, data: bytes, limits: Limits = Limits()) -> tuple[Unpacked, Path]:  # noqa: B008
        target = self._root / str(len(list(self._root.iterdir()))) / "fs"
        target.mkdir(parents=True)
        archive = self._root.parent / "archive"
        archive.write_bytes(data)
        with archive.open("rb") as blob:
            return await unpack(blob, target, self.below, limits), target


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    root = tmp_path / "layers"
    root.mkdir()
    return Layers(root)


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path) -> bool:
    return "trusted.overlay.opaque" in os.listxattr(path) and os.getxattr(path, "trusted.overlay.opaque") == b"y"


BASE = [
    directory("etc", mode=0o750, uid=3, gid=4, mtime=99),
    file("etc/passwd", b"root", mode=0o600, uid=3, mtime=9),
    directory("usr"),
    directory("usr/bin", mode=0o711),
    link("bin", "usr/bin"),
    directory("old"),
    file("old/file", b"o"),
]
