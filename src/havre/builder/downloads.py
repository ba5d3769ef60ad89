"""Files from URLs, kept: a server that says a file has not changed does not send it again.

A directory a URL below ``directory``: the file, and what it came with. Those unused for longest go when all together
exceed ``budget`` bytes.
"""

import asyncio
import hashlib
import os
import shutil
from pathlib import Path

import msgspec

from havre.image.remote.files import Fetched, WebFiles
from havre.lib.ids import new_id

_BUDGET = 1 << 30
_CONTENT, _NOTE = "content", "fetched.json"


class Downloads:
    """Gets files over HTTP, each only once as long as it does not change."""

    def __init__(self, files: WebFiles, directory: Path, budget: int = _BUDGET) -> None:
        self._files = files
        self._directory = directory
        self._budget = budget

    async def fetch(self, url: str, path: Path, checksum: str) -> tuple[Fetched, bool]:
        """The file at ``path``, and whether it was here already. Raises as ``WebFiles.fetch``."""
        kept = self._directory / hashlib.sha256(url.encode()).hexdigest()
        known = await asyncio.to_thread(_known, kept)
        if known is not None and checksum in ("", known.digest):
            found = await self._files.fetch(url, path, checksum, known.etag)
            if found is None and await asyncio.to_thread(_taken, kept, path):
                return known, True
        else:
            found = None
        if found is None:
            found = await self._files.fetch(url, path, checksum)
        assert found is not None
        if found.etag:
            await asyncio.to_thread(self._keep, kept, path, found)
        return found, False

    def _keep(self, kept: Path, path: Path, found: Fetched) -> None:
        new = self._directory / f"new-{new_id()[:16]}"
        new.mkdir(parents=True, mode=0o700)
        os.link(path, new / _CONTENT)
        (new / _NOTE).write_bytes(msgspec.json.encode(found))
        shutil.rmtree(kept, ignore_errors=True)
        try:
            new.rename(kept)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)  # another build has just kept it
        self._shrink()

    def _shrink(self) -> None:
        entries = []
        for one in self._directory.iterdir():
            try:
                status = (one / _CONTENT).stat()
                entries.append(((one / _NOTE).stat().st_mtime_ns, status.st_size, one))
            except FileNotFoundError:
                continue
        left = sum(size for _, size, _ in entries)
        for _, size, one in sorted(entries, key=lambda entry: entry[0]):
            if left <= self._budget:
                break
            shutil.rmtree(one, ignore_errors=True)
            left -= size


def _known(kept: Path) -> Fetched | None:
    try:
        return msgspec.json.decode((kept / _NOTE).read_bytes(), type=Fetched)
    except (OSError, msgspec.MsgspecError):
        return None


def _taken(kept: Path, path: Path) -> bool:
    """Put the kept file at ``path``; False when it has gone meanwhile."""
    try:
        os.link(kept / _CONTENT, path)
        os.utime(kept / _NOTE)
    except FileNotFoundError:
        return False
    return True
