"""COPY, ADD and WORKDIR: files put on a root file system."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from havre.builder.files.checksums import Note, checksum
from havre.builder.files.modes import parse_mode, parse_owner
from havre.builder.files.placing import Dress, Placer
from havre.builder.files.selecting import selected
from havre.builder.files.unpacking import is_archive, unpack_into
from havre.builder.plan.vertices import CopyFiles, MakeDirectory, Transferred
from havre.builder.steps import Task, identity
from havre.builder.trees import Directory, Layer, Result, Tree
from havre.builder.workspace import Workspace
from havre.errors import SystemFault
from havre.lib.dockerignore import Ignore
from havre.lib.relay import settled

T = TypeVar("T")

_MOST_DETAILS = 5000  # files of one step; some of its changes cannot be named when it has more
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Copying:
    """Carries out ``CopyFiles``. ``epoch`` (SOURCE_DATE_EPOCH), in nanoseconds: later times become that."""

    workspace: Workspace
    epoch: int | None = None

    async def origin_parts(self, task: Task) -> dict[str, str] | None:
        operation = _operation(task)
        identities = [identity(task.inputs[item.input]) for item in operation.items]
        if not all(identities):
            return None
        return {**self._parts(task), **{f"source {n}": text for n, text in enumerate(identities)}}

    async def content_parts(self, task: Task) -> dict[str, str]:
        operation = _operation(task)
        found = {}
        for number, item in enumerate(operation.items):
            source = task.inputs[item.input]
            async with self._opened(source) as path:
                found[f"source {number}"] = await in_thread(
                    _checksum,
                    path,
                    item,
                    Ignore(operation.exclude),
                    owned(source) and not operation.owner,
                    noting(task, f"source {number}"),
                )
        return {**self._parts(task), **found}

    def _parts(self, task: Task) -> dict[str, str]:
        operation = _operation(task)
        words = msgspec.json.encode({**asdict(operation), "epoch": self.epoch}).decode()
        # A linked layer is the same on every root; only names of owners are looked up there.
        root = "" if operation.linked and not _names_owner(operation) else identity(task.inputs[0])
        return {"copy": words, "root": root}

    async def run(self, task: Task) -> Layer | None:
        operation = _operation(task)
        base = Tree() if operation.linked else task.root
        async with AsyncExitStack() as stack:
            active = await stack.enter_async_context(self.workspace.writable(base))
            names = active.path
            if operation.linked and _names_owner(operation):
                names = await stack.enter_async_context(self.workspace.readable(task.root))
            sources = [
                (await stack.enter_async_context(self._opened(task.inputs[item.input])), item, task.inputs[item.input])
                for item in operation.items
            ]
            implied = base.created if self.epoch is None else self.epoch
            newest = await in_thread(self._place, operation, active.path, names, sources, implied)
            created = newest if self.epoch is None else self.epoch
            return await self.workspace.sealed(active, base, created)

    def _place(
        self,
        operation: CopyFiles,
        root: Path,
        names: Path,
        sources: list[tuple[Path, Transferred, Result]],
        implied: int,
    ) -> int:
        with directory(root) as target, directory(names) as lookup:
            owner = parse_owner(operation.owner, lookup) if operation.owner else None
            mode = parse_mode(operation.mode) if operation.mode else None
            newest = 0
            for path, item, source in sources:
                dress = Dress(owner or (None if owned(source) else (0, 0)), mode, implied, self.epoch)
                placer = Placer(target, dress)
                with directory(path) as tree:
                    self._put(placer, tree, item, operation, owner)
                placer.finish()
                newest = max(newest, placer.newest)
            return newest

    def _put(
        self, placer: Placer, tree: int, item: Transferred, operation: CopyFiles, owner: tuple[int, int] | None
    ) -> None:
        found = selected(tree, item.paths)
        into = operation.target if len(found) < 2 or operation.target.endswith("/") else operation.target + "/"
        for path in found:
            if item.unpack and is_archive(tree, path):
                unpack_into(placer, tree, path, operation.target, owner)
                continue
            kept = _kept(path, item.paths) if operation.parents else None
            placer.put(tree, path, into, Ignore(operation.exclude), kept)

    @asynccontextmanager
    async def _opened(self, source: Result) -> AsyncIterator[Path]:
        if isinstance(source, Directory):
            yield source.path
            return
        async with self.workspace.readable(source) as path:
            yield path


@dataclass(frozen=True, slots=True)
class MakingDirectories:
    """Carries out ``MakeDirectory``."""

    workspace: Workspace
    epoch: int | None = None

    async def origin_parts(self, task: Task) -> dict[str, str] | None:
        operation = task.vertex.operation
        assert isinstance(operation, MakeDirectory)
        return {"directory": operation.path, "root": identity(task.inputs[0])}

    async def content_parts(self, task: Task) -> dict[str, str]:
        return await self.origin_parts(task) or {}

    async def run(self, task: Task) -> Layer | None:
        operation = task.vertex.operation
        assert isinstance(operation, MakeDirectory)
        async with self.workspace.writable(task.root) as active:
            await in_thread(self._make, active.path, operation.path, self._time(task))
            return await self.workspace.sealed(active, task.root, self._time(task))

    def _time(self, task: Task) -> int:
        """Of what nobody gave a time: that of what it is put on."""
        return task.root.created if self.epoch is None else self.epoch

    def _make(self, root: Path, path: str, time: int) -> None:
        with directory(root) as fd:
            placer = Placer(fd, Dress((0, 0), None, time, self.epoch))
            placer.directory(path)
            placer.finish()


def owned(source: Result) -> bool:
    """Whether the owners of the files mean anything."""
    return isinstance(source, Tree) or source.owned


def _operation(task: Task) -> CopyFiles:
    operation = task.vertex.operation
    assert isinstance(operation, CopyFiles)
    return operation


def _names_owner(operation: CopyFiles) -> bool:
    return any(word and not word.isdecimal() for word in operation.owner.split(":"))


def _checksum(path: Path, item: Transferred, left_out: Ignore, owners: bool, note: Note) -> str:
    with directory(path) as tree:
        return checksum(tree, item.paths, left_out, owners, note)


def noting(task: Task, part: str) -> Note:
    """Keeps what files are known by among the task's details, under ``part`` and their paths; not of very many."""

    def note(path: str, digest: bytes) -> None:
        if len(task.details) < _MOST_DETAILS:
            shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            task.details[f"{part} {shown}"] = digest[:8].hex()

    return note


def _kept(path: str, patterns: tuple[str, ...]) -> str:
    """The part of ``path`` that ``--parents`` keeps: what is after ``/./`` in the pattern that named it."""
    for pattern in patterns:
        before, pivot, _ = pattern.partition("/./")
        if pivot and (path == before or path.startswith(before + "/")):
            return path[len(before) + 1 :]
    return path


@contextmanager
def directory(path: Path) -> Iterator[int]:
    fd = os.open(path, _DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Run ``work``; on return it has ended, also when this is cancelled: what it works on is mounted until then."""
    try:
        return await settled(lambda: work(*arguments), lambda _: None)
    except OSError as error:
        raise SystemFault(f"cannot copy: {error.strerror}: {error.filename or ''}".rstrip(": ")) from error
