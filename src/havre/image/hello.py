"""The embedded image ``havre/hello``: made on first need from the host's static busybox, without any network.

Its command is a script that greets and tells the way it came. The engine's pull comes in here. The same busybox always
makes the same image.
"""

import asyncio
import io
import os
import shutil
import struct
import subprocess
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

from havre.errors import Unavailable
from havre.image.importer import Importer
from havre.image.manifest import host_platform
from havre.image.store import Image, ImageStore
from havre.lib import references

NAME = references.parse("havre/hello:latest")
_CREATED = "2026-01-01T00:00:00Z"
_SETTINGS = {
    "Cmd": ["/hello"],
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "WorkingDir": "/",
}
_PLACES = ("/bin/busybox", "/usr/bin/busybox", "/sbin/busybox")
_PT_INTERP = 3

# Whatever it says must be true of every container of this image, whoever started it and wherever.
_SCRIPT = """\
#!/bin/sh
cat <<END

Hello from havre!

You see this because every step of the way works:

  client      Your command became requests in the Docker Engine's own language.
  API         They went through a socket to the daemon.
  daemon      It looked up the image, and made a container from it.
  image       A static busybox and the script that prints this, in one layer.
  container   The script runs in it: process $$ on the host "$(hostname)", user $(id -u), Linux $(uname -r).

END
"""
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
_DIRECTORIES = {"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o1777}


class Hello:
    """Makes the image in the store it is given."""

    def __init__(self, images: ImageStore, importer: Importer) -> None:
        self._images = images
        self._importer = importer
        self._making = asyncio.Lock()

    async def ensure(self) -> Image:
        """The image; made now if there is none. Raises ``Unavailable`` when the host has no static busybox."""
        async with self._making:
            found = self._images.named(NAME)
            if found is not None:
                return found
            archive = await asyncio.to_thread(_archive, busybox())
            return await self._importer.import_(
                _once(archive), _SETTINGS, host_platform(), "embedded in havre", [NAME], _CREATED
            )


def busybox() -> Path:
    """The host's static busybox. Raises ``Unavailable``."""
    found = shutil.which("busybox")
    for place in [*_PLACES, *([found] if found else [])]:
        path = Path(place)
        if path.is_file() and is_static(path):
            return path
    raise Unavailable("havre/hello is made from a static busybox, and this host has none: install busybox-static")


def is_static(path: Path) -> bool:
    """Whether ``path`` is a 64-bit ELF program that needs no loader."""
    with path.open("rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            return False
        order = "<" if head[5] == 1 else ">"
        (table,) = struct.unpack_from(order + "Q", head, 32)
        size, count = struct.unpack_from(order + "HH", head, 54)
        file.seek(table)
        headers = file.read(size * count)
    return all(struct.unpack_from(order + "I", headers, size * index)[0] != _PT_INTERP for index in range(count))


def _archive(program: Path) -> bytes:
    applets = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, mode in _DIRECTORIES.items():
            _add(archive, name, tarfile.DIRTYPE, mode)
        for name, text in _FILES.items():
            _add(archive, name, tarfile.REGTYPE, 0o644, text.encode())
        _add(archive, "hello", tarfile.REGTYPE, 0o755, _SCRIPT.encode())
        _add(archive, "bin/busybox", tarfile.REGTYPE, 0o755, program.read_bytes())
        for applet in sorted(set(applets) - {"busybox"}):
            _add(archive, f"bin/{os.path.basename(applet)}", tarfile.SYMTYPE, 0o777, link="busybox")
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "") -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
    archive.addfile(info, io.BytesIO(data))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
