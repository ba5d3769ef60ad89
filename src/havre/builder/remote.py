"""Files from elsewhere: ``ADD https://…`` and ``ADD …git``."""

import asyncio
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from havre.builder.downloads import Downloads
from havre.builder.plan.vertices import Fetch, Git
from havre.builder.trees import Directory
from havre.errors import InvalidParameter, SystemFault

_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
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

    files: Downloads

    async def fetch(self, operation: Fetch, place: Path) -> tuple[Directory, bool]:
        """The file of a URL below ``place``. ``InvalidParameter`` for another checksum than the one demanded."""
        path = place / operation.name
        found, here = await self.files.fetch(operation.url, path, operation.checksum)
        path.chmod(0o600)
        os.utime(path, ns=(found.time, found.time))
        return Directory(place, f"url {operation.name} {found.digest}", version=found.digest), here

    async def clone(self, operation: Git, place: Path) -> tuple[Directory, bool]:
        """The tree of a repository below ``place``."""
        tree = place / "tree"
        await _git(place, "init", "--quiet", str(tree))
        # Submodules may be named relative to it.
        await _git(tree, "remote", "add", "origin", operation.url)
        fetched = await _fetched(tree, operation.ref or "HEAD")
        await _git(tree, *_NO_HOOKS, "checkout", "--quiet", fetched)
        if (tree / ".gitmodules").exists():
            await _git(tree, *_NO_HOOKS, "submodule", "--quiet", "update", "--init", "--recursive")
        commit, time = (await _git(tree, "show", "--no-patch", "--format=%H %ct", "HEAD")).split()
        if _COMMIT.fullmatch(operation.ref) and commit != operation.ref:
            raise InvalidParameter(f"{operation.url}: the commit is {commit}, not {operation.ref}")
        if not operation.keep_git_directory:
            await asyncio.to_thread(shutil.rmtree, tree / ".git", ignore_errors=True)
        # A checkout is as old as the machine made it; the same commit shall give the same layer anywhere.
        await asyncio.to_thread(_set_times, tree, int(time) * 1_000_000_000)
        root = tree / operation.directory.strip("/") if operation.directory else tree
        if not root.resolve().is_relative_to(tree.resolve()) or not root.is_dir():
            raise InvalidParameter(f"{operation.url}: no directory {operation.directory}")
        identity = f"git {commit} {operation.directory} {operation.keep_git_directory}"
        return Directory(root, identity, version=commit), False


async def _fetched(tree: Path, ref: str) -> str:
    """Get ``ref`` of the origin, and no more than that where the server can do so; what to check out."""
    try:
        await _git(tree, "fetch", "--quiet", "--depth=1", "--", "origin", ref)
    except InvalidParameter as error:
        if "shallow" in error.message:
            await _git(tree, "fetch", "--quiet", "--", "origin", ref)
        elif _COMMIT.fullmatch(ref):
            # Many servers give only what has a name.
            await _git(tree, "fetch", "--quiet", "--tags", "--", "origin", "+refs/heads/*:refs/remotes/origin/*")
            return ref
        else:
            raise
    return "FETCH_HEAD"


def _set_times(tree: Path, time: int) -> None:
    for folder, directories, files in os.walk(tree, topdown=False):
        for name in (*directories, *files):
            os.utime(os.path.join(folder, name), ns=(time, time), follow_symlinks=False)
    os.utime(tree, ns=(time, time))


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
