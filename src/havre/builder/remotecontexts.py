"""Contexts that lie elsewhere: a git repository, an archive or a single Dockerfile at a URL."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

from havre.builder import contexts
from havre.builder.files.unpacking import is_archive
from havre.builder.plan.vertices import Fetch, Git
from havre.builder.sources import Remote
from havre.builder.trees import Directory
from havre.errors import InvalidParameter

_GIT = re.compile(r"^(?:git://|git@|ssh://|github\.com/)|^https?://[^#?]+\.git(?:$|[#?])")
_HTTP = re.compile(r"^https?://")
_PIECE = 1 << 20
_NAME = "content"


class RemoteContexts:
    """Gets contexts with what ``ADD`` gets files with."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def get(self, url: str, place: Path) -> Directory:
        """The context at ``url``, in a new directory below ``place``."""
        if git := git_of(url):
            into = place / "repository"
            into.mkdir()
            return (await self._remote.clone(git, into))[0]
        if not _HTTP.match(url):
            raise InvalidParameter(f"unsupported build context {url}: it is no URL of a file or of a git repository")
        fetched = place / "fetched"
        fetched.mkdir()
        await self._remote.fetch(Fetch(url, _NAME, ""), fetched)
        if not await asyncio.to_thread(_archive, fetched):
            (fetched / _NAME).rename(fetched / "Dockerfile")
            return Directory(fetched)
        unpacked = place / "unpacked"
        unpacked.mkdir()
        found = await contexts.unpack(_read(fetched / _NAME), unpacked)
        (fetched / _NAME).unlink()
        return found


def git_of(url: str) -> Git | None:
    """The repository that ``url`` names, with ``#ref:directory`` behind it; None when it names something else."""
    if not _GIT.match(url):
        return None
    url, _, fragment = url.partition("#")
    ref, _, directory = fragment.partition(":")
    return Git(f"https://{url}" if url.startswith("github.com/") else url, ref, directory, False)


def _archive(directory: Path) -> bool:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return is_archive(fd, _NAME)
    finally:
        os.close(fd)


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while data := await asyncio.to_thread(file.read, _PIECE):
            yield data
