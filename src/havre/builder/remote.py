"""Files from elsewhere: ``ADD https://…`` and ``ADD …git``."""

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from havre.builder.plan.vertices import Fetch, Git
from havre.builder.trees import Directory
from havre.errors import InvalidParameter, SystemFault, Unavailable
from havre.image.digest import Hasher

_CHUNK = 1 << 20
_PATIENCE = ClientTimeout(total=None, connect=30, sock_read=60)
_COMMIT = re.compile(r"[0-9a-f]{40}")
# No configuration of the host's, no questions at a terminal, no transports that run programs.
_GIT_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "https:http:git:ssh",
    "HOME": "/nonexistent",
}


@dataclass(frozen=True, slots=True)
class RemoteFiles:
    """Gets files over HTTP and git."""

    session: ClientSession

    async def fetch(self, operation: Fetch, place: Path) -> tuple[Directory, bool]:
        """The file of a URL below ``place``. ``InvalidParameter`` for another checksum than the one demanded."""
        path = place / operation.name
        hasher = Hasher(operation.checksum or "sha256")
        try:
            async with self.session.get(operation.url, timeout=_PATIENCE) as answer:
                if answer.status != 200:
                    raise InvalidParameter(f"failed to load {operation.url}: status {answer.status} {answer.reason}")
                with path.open("wb") as file:
                    async for data in answer.content.iter_chunked(_CHUNK):
                        hasher.update(data)
                        await asyncio.to_thread(file.write, data)
                time = _last_modified(answer.headers)
        except (ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(f"failed to load {operation.url}: {error}") from None
        if operation.checksum and hasher.digest != operation.checksum:
            raise InvalidParameter(f"digest mismatch {hasher.digest}: {operation.checksum}")
        path.chmod(0o600)
        os.utime(path, ns=(time, time))
        return Directory(place, f"url {operation.name} {hasher.digest}"), False

    async def clone(self, operation: Git, place: Path) -> tuple[Directory, bool]:
        """The tree of a repository below ``place``."""
        tree = place / "tree"
        ref = operation.ref or "HEAD"
        await _git(place, "init", "--quiet", str(tree))
        await _git(tree, "fetch", "--quiet", "--depth=1", "--", operation.url, ref)
        await _git(tree, "-c", "core.hooksPath=/dev/null", "checkout", "--quiet", "FETCH_HEAD")
        commit = (await _git(tree, "rev-parse", "HEAD")).strip()
        if _COMMIT.fullmatch(operation.ref) and commit != operation.ref:
            raise InvalidParameter(f"{operation.url}: the commit is {commit}, not {operation.ref}")
        if not operation.keep_git_directory:
            await asyncio.to_thread(shutil.rmtree, tree / ".git", ignore_errors=True)
        root = tree / operation.directory.strip("/") if operation.directory else tree
        if not root.resolve().is_relative_to(tree.resolve()) or not root.is_dir():
            raise InvalidParameter(f"{operation.url}: no directory {operation.directory}")
        return Directory(root, f"git {commit} {operation.directory} {operation.keep_git_directory}"), False


async def _git(directory: Path, *words: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            "git",
            *words,
            cwd=directory,
            env={**_GIT_ENVIRONMENT, "PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise SystemFault("git is not installed: it is needed for files from repositories") from None
    try:
        said, errors = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise InvalidParameter(f"git {words[0]} failed: {errors.decode('utf-8', 'replace').strip()}")
    return said.decode("utf-8", "replace")


def _last_modified(headers: Mapping[str, str]) -> int:
    """The file's time, as ADD keeps it; 0 when the server does not say."""
    try:
        return int(parsedate_to_datetime(headers["Last-Modified"]).timestamp()) * 1_000_000_000
    except (KeyError, ValueError, TypeError):
        return 0
