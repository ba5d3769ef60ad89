"""Contexts that clients send in two steps: what there is, then only what is not here from the last time.

A context is a directory below ``directory``, never changed once it is whole. The next one of the same key (a client's
directory) shares the files that are the same by name, size, mode and time with it, as hard links; one in which nothing
changed is used again. Contexts nobody has used for long go when all together exceed ``budget`` bytes.
"""

import asyncio
import os
import shutil
import stat
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from havre.builder import contexts
from havre.builder.trees import Directory
from havre.errors import InvalidParameter, NotFound
from havre.lib.ids import new_id

_BUDGET = 4 << 30
_UNUSED_SECONDS = 3600.0  # until a context whose build never came goes
_SECOND = 1_000_000_000
_INDEX = "context.json"
_FILES = "files"


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """One file of a context. ``mode`` is ``st_mode``; ``mtime`` in nanoseconds; ``link`` is a symlink's target.

    Names are bytes, which JSON has not: each character stands for one.
    """

    path: str
    mode: int
    size: int = 0
    mtime: int = 0
    link: str = ""


class _Index(msgspec.Struct, frozen=True):
    key: str
    files: list[Listed]


@dataclass(slots=True)
class _Context:
    id: str
    path: Path
    key: str
    files: Sequence[Listed]
    wanted: list[int]
    used: float = field(default_factory=time.time)
    created: float = field(default_factory=time.time)
    whole: bool = False

    @property
    def size(self) -> int:
        return sum(one.size for one in self.files)


@dataclass(frozen=True, slots=True)
class KeptContext:
    """One of them, as it is counted: bytes, times in nanoseconds since 1970."""

    id: str
    size: int
    created: int
    used: int
    in_use: bool


class KeptContexts:
    """The contexts of one daemon's clients."""

    def __init__(self, directory: Path, budget: int = _BUDGET) -> None:
        self._directory = directory
        self._budget = budget
        self._contexts: dict[str, _Context] = {}
        self._uses: Counter[str] = Counter()

    async def start(self) -> None:
        """Find what is here, and clear away what was never whole."""
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._directory.iterdir():
            try:
                index = msgspec.json.decode((path / _INDEX).read_bytes(), type=_Index)
            except (OSError, msgspec.DecodeError):
                shutil.rmtree(path, ignore_errors=True)
                continue
            used = path.stat().st_mtime
            self._contexts[path.name] = _Context(path.name, path, index.key, index.files, [], used, used, True)

    async def offer(self, key: str, files: Sequence[Listed]) -> tuple[str, list[int]]:
        """A new context of ``files``: its id, and the numbers of those whose content is wanted.

        ``key`` "" is a context that has nothing to do with others.
        """
        await self._shrink()
        last = self._last(key) if key else None
        if last is not None and list(last.files) == list(files):
            last.used = time.time()
            return last.id, []
        identity = new_id()[:16]
        context = _Context(identity, self._directory / identity, key, files, [])
        with self._in_use(last.id if last is not None else ""):
            try:
                context.wanted = await asyncio.to_thread(_laid_out, context, last)
            except BaseException:
                await asyncio.to_thread(shutil.rmtree, context.path, ignore_errors=True)
                raise
        self._contexts[identity] = context
        if not context.wanted and key:
            await asyncio.to_thread(_completed, context)
            self._replace(context)
        return identity, context.wanted

    async def fill(self, identity: str, body: AsyncIterator[bytes]) -> None:
        """The content of the files that were wanted, as an archive; all there is, for a context without a key."""
        context = self._get(identity)
        if context.whole:
            raise InvalidParameter(f"the build context {identity} is whole already")
        try:
            await contexts.unpack(body, context.path / _FILES)
            await asyncio.to_thread(_completed, context)
        except BaseException:
            self._contexts.pop(identity, None)
            await asyncio.to_thread(shutil.rmtree, context.path, ignore_errors=True)
            raise
        self._replace(context)

    @contextmanager
    def use(self, identity: str) -> Iterator[Directory]:
        """The context's files, kept until the end of the block; one without a key is gone then."""
        context = self._get(identity)
        if not context.whole:
            raise InvalidParameter(f"the build context {identity} has not been sent to its end")
        try:
            with self._in_use(identity):
                context.used = time.time()
                yield Directory(context.path / _FILES, f"context {identity}")
        finally:
            if not context.key:
                self._drop(context)

    def all(self) -> list[KeptContext]:
        """Those that are whole, as they are counted."""
        return [
            KeptContext(
                *(one.id, one.size, int(one.created * _SECOND), int(one.used * _SECOND)), self._uses[one.id] > 0
            )
            for one in self._contexts.values()
            if one.whole
        ]

    async def remove(self, identity: str) -> None:
        """Take one away, unless a build uses it."""
        context = self._contexts.get(identity)
        if context is not None and not self._uses[identity]:
            del self._contexts[identity]
            await asyncio.to_thread(shutil.rmtree, context.path, ignore_errors=True)

    def _get(self, identity: str) -> _Context:
        try:
            return self._contexts[identity]
        except KeyError:
            raise NotFound(f"no such build context: {identity}") from None

    @contextmanager
    def _in_use(self, identity: str) -> Iterator[None]:
        self._uses[identity] += 1
        try:
            yield
        finally:
            self._uses[identity] -= 1

    def _last(self, key: str) -> _Context | None:
        found = [one for one in self._contexts.values() if one.key == key and one.whole]
        return max(found, key=lambda one: one.used, default=None)

    def _replace(self, context: _Context) -> None:
        """``context`` is whole, and stands for its key now."""
        context.whole = True
        context.used = time.time()
        for other in list(self._contexts.values()):
            if context.key and other.key == context.key and other is not context and other.whole:
                self._drop(other)

    async def _shrink(self) -> None:
        now = time.time()
        left = sum(one.size for one in self._contexts.values())
        for one in sorted(self._contexts.values(), key=lambda one: one.used):
            abandoned = now - one.used > _UNUSED_SECONDS and not (one.whole and one.key)
            if (left > self._budget or abandoned) and self._drop(one):
                left -= one.size

    def _drop(self, context: _Context) -> bool:
        # One that is waiting for its build or its content is not old enough to be in nobody's use.
        if self._uses[context.id] or (not context.whole and time.time() - context.used < _UNUSED_SECONDS):
            return False
        self._contexts.pop(context.id, None)
        shutil.rmtree(context.path, ignore_errors=True)
        return True


def _laid_out(context: _Context, last: _Context | None) -> list[int]:
    """Make everything of ``context`` that needs no content; the numbers of the files that do. Blocks."""
    top = context.path / _FILES
    top.mkdir(parents=True, mode=0o755)
    known = {one.path: one for one in last.files} if last is not None else {}
    directories = {""}
    wanted = []
    for number, one in enumerate(context.files):
        _check(one, directories)
        path = top / _name(one.path)
        if stat.S_ISDIR(one.mode):
            path.mkdir(mode=0o700)
            directories.add(one.path)
        elif stat.S_ISLNK(one.mode):
            path.symlink_to(_name(one.link))
            _set_time(path, one)
        elif stat.S_ISFIFO(one.mode):
            os.mkfifo(path)
            path.chmod(stat.S_IMODE(one.mode))
            _set_time(path, one)
        elif last is None or known.get(one.path) != one:
            wanted.append(number)
        else:
            os.link(last.path / _FILES / _name(one.path), path, follow_symlinks=False)
    return wanted


def _check(one: Listed, directories: set[str]) -> None:
    """Refuse names that lead out of the context: a file's directory must have been listed, as a directory, before."""
    parent, _, name = one.path.rpartition("/")
    escapes = name in ("", ".", "..") or one.path.startswith("/")
    if escapes or "\0" in one.path or "\0" in one.link or parent not in directories:
        raise InvalidParameter(f"the build context lists a file with the wrong name {one.path!r}")
    if not any(kind(one.mode) for kind in (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK, stat.S_ISFIFO)):
        raise InvalidParameter(f"the build context lists {one.path}, which is neither a file, a directory nor a link")


def _completed(context: _Context) -> None:
    """The context is whole: note that, so that it outlives the daemon. Blocks."""
    top = context.path / _FILES
    for number in context.wanted:
        path = top / _name(context.files[number].path)
        if not path.is_file() or path.is_symlink():
            raise InvalidParameter(f"the build context came without {context.files[number].path}")
    for one in reversed(context.files):
        if stat.S_ISDIR(one.mode):
            path = top / _name(one.path)
            path.chmod(stat.S_IMODE(one.mode))
            _set_time(path, one)
    if context.key:
        index = msgspec.json.encode(_Index(context.key, list(context.files)))
        (context.path / _INDEX).write_bytes(index)


def _name(text: str) -> str:
    try:
        return os.fsdecode(text.encode("latin-1"))
    except UnicodeEncodeError:
        raise InvalidParameter(f"the build context lists a name that is not of bytes: {text!r}") from None


def _set_time(path: Path, one: Listed) -> None:
    # Whole seconds, as in an archive: the same context gives the same layers whichever way it came.
    time_ns = max(0, one.mtime) // _SECOND * _SECOND
    os.utime(path, ns=(time_ns, time_ns), follow_symlinks=False)
