"""Files from elsewhere: ``ADD https://…`` and ``ADD …git``."""

import asyncio
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from havre.builder.plan.vertices import Fetch, Git
from havre.builder.trees import Directory
from havre.errors import InvalidParameter, SystemFault
from havre.image.remote.files import WebFiles

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

    files: WebFiles

    async def fetch(self, operation: Fetch, place: Path) -> tuple[Directory, bool]:
        """The file of a URL below ``place``. ``InvalidParameter`` for another checksum than the one demanded."""
        path = place / operation.name
        digest, time = await self.files.fetch(operation.url, path, operation.checksum)
        path.chmod(0o600)
        os.utime(path, ns=(time, time))
        return Directory(place, f"url {operation.name} {digest}", version=digest), False

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
        identity = f"git {commit} {operation.directory} {operation.keep_git_directory}"
        return Directory(root, identity, version=commit), False


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
