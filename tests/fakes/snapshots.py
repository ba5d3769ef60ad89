"""A snapshotter without mounts or records: plain directories, and a "mount" is a copy. For tests without root.

Whiteouts mean nothing to it. ``tests/contract/test_snapshotter.py`` holds it to what the real one promises.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from havre.errors import Conflict, NotFound
from havre.image.snapshots import Snapshot, Usage


class FakeSnapshotter:
    """``Snapshotter`` in a directory. ``removed`` lists the keys removed, in order."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._snapshots: dict[str, Snapshot] = {}
        self._mounts: dict[Path, str] = {}
        self._next = 1
        self.removed: list[str] = []

    async def start(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)

    async def close(self) -> None:
        pass

    async def prepare(self, key: str, parent: str | None) -> Snapshot:
        if key in self._snapshots:
            raise Conflict(f"snapshot {key} already exists")
        if parent is not None and not self._get(parent).committed:
            raise Conflict(f"snapshot {parent} is not committed")
        snapshot = self._snapshots[key] = Snapshot(key, parent, False, self._next)
        self._next += 1
        (self._root / str(snapshot.number)).mkdir(parents=True)
        return snapshot

    async def commit(self, key: str, name: str, usage: Usage) -> Snapshot:
        active = self._get(key)
        if active.committed or name in self._snapshots:
            raise Conflict(f"snapshot {name} already exists")
        del self._snapshots[key]
        committed = self._snapshots[name] = Snapshot(name, active.parent, True, active.number, usage)
        return committed

    async def mount(self, key: str, target: Path, readonly: bool = False, under: Path | None = None) -> None:
        snapshot = self._get(key)
        if snapshot.committed and not readonly:
            raise Conflict(f"snapshot {key} is committed and can only be mounted readonly")
        if self._mounts.get(target) == key:
            return
        own, *parents = [self.upper(each) for each in self._stack(key)]
        for directory in reversed([own, *([under] if under else []), *parents]):
            shutil.copytree(directory, target, symlinks=True, dirs_exist_ok=True)
        self._mounts[target] = key

    async def unmount(self, target: Path) -> None:
        key = self._mounts.pop(target, None)
        if key is None:
            return
        if not self._get(key).committed:
            self._keep_changes(key, target)
        for inside in target.iterdir():
            shutil.rmtree(inside) if inside.is_dir() else inside.unlink()

    def _keep_changes(self, key: str, target: Path) -> None:
        below = [self.upper(each) for each in self._stack(key)[1:]]
        for path in target.rglob("*"):
            name = path.relative_to(target)
            lower = next((layer / name for layer in below if (layer / name).is_file()), None)
            if path.is_file() and (lower is None or lower.read_bytes() != path.read_bytes()):
                (self.upper(key) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, self.upper(key) / name)

    def _stack(self, key: str) -> list[str]:
        stack = [key]
        while (parent := self._snapshots[stack[-1]].parent) is not None:
            stack.append(parent)
        return stack

    async def remove(self, key: str) -> None:
        snapshot = self._get(key)
        if any(other.parent == key for other in self._snapshots.values()):
            raise Conflict(f"snapshot {key} has snapshots standing on it")
        if key in self._mounts.values():
            raise Conflict(f"snapshot {key} is mounted")
        del self._snapshots[key]
        shutil.rmtree(self._root / str(snapshot.number))
        self.removed.append(key)

    async def usage(self, key: str) -> Usage:
        snapshot = self._get(key)
        if snapshot.usage is not None:
            return snapshot.usage
        found = list(self.upper(key).rglob("*"))
        return Usage(sum(path.lstat().st_size for path in found if not path.is_dir()), len(found))

    def upper(self, key: str) -> Path:
        return self._root / str(self._get(key).number)

    def all(self) -> Mapping[str, Snapshot]:
        return self._snapshots

    def _get(self, key: str) -> Snapshot:
        if key not in self._snapshots:
            raise NotFound(f"snapshot {key} does not exist")
        return self._snapshots[key]
