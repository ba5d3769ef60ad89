"""What is in an image, layer by layer: what each adds, what it hides of those below, and how two images differ.

``havre image layers`` and ``havre image diff`` come in here. Layers are read where they lie, in overlayfs' format; they
are never changed, so nothing has to be mounted. Blocks; runs in a thread.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from havre.kernel import overlayfs
from havre.kernel.treecompare import same_content

_LARGEST = 10
_SECOND = 1_000_000_000


@dataclass(slots=True)
class Layer:
    """What a layer does. Bytes are of regular files; ``wasted`` are those that it hides of the layers below.

    ``largest`` are the files that it brings: path and bytes.
    """

    added: int = 0
    changed: int = 0
    deleted: int = 0
    size: int = 0
    wasted: int = 0
    largest: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """``kind``: A added, D deleted, C changed; ``what`` names what changed. Sizes in bytes; of directories, of all in
    them.
    """

    kind: str
    path: str
    before: int
    after: int
    what: str = ""


@dataclass(slots=True)
class Node:
    """A file as the stack shows it: its status, the layer it lies in, and what is in it."""

    status: os.stat_result | None = None
    upper: Path | None = None
    children: dict[str, "Node"] = field(default_factory=dict)

    def walk(self, path: str = "") -> Iterator[tuple[str, "Node"]]:
        """All below, with their paths, by name."""
        stack = [(f"{path}/{name}", node) for name, node in sorted(self.children.items(), reverse=True)]
        while stack:
            where, node = stack.pop()
            yield where, node
            below = sorted(node.children.items(), reverse=True)
            stack += [(f"{where}/{name}", child) for name, child in below]

    @property
    def size(self) -> int:
        """Bytes of it and of all below."""
        return _size(self.status) + sum(_size(node.status) for _, node in self.walk())

    @property
    def is_directory(self) -> bool:
        return self.status is None or stat.S_ISDIR(self.status.st_mode)


def stacked(uppers: Sequence[Path]) -> tuple[Node, list[Layer]]:
    """The file tree of the layers ``uppers`` (bottom first), and what each of them does. Raises ``OSError``."""
    root, layers = Node(), []
    for upper in uppers:
        layers.append(_put(root, upper))
    return root, layers


def differences(one: Node, other: Node) -> list[Change]:
    """How the tree ``other`` differs from ``one``; of directories that are in one only, no more is told than that."""
    found: list[Change] = []
    stack = [("", one, other)]
    while stack:
        path, here, there = stack.pop()
        for name in sorted(here.children.keys() | there.children.keys()):
            where = f"{path}/{name}"
            before, after = here.children.get(name), there.children.get(name)
            if before is None or after is None:
                kind, node = ("A", after) if before is None else ("D", before)
                assert node is not None
                size, shown = node.size, where + "/" * node.is_directory
                found.append(Change(kind, shown, 0 if before is None else size, size if before is None else 0))
                continue
            what = _what(where, before, after)
            if what:
                found.append(Change("C", where, _size(before.status), _size(after.status), ", ".join(what)))
            if before.is_directory and after.is_directory:
                stack.append((where, before, after))
    return sorted(found, key=lambda change: change.path)


def _put(root: Node, upper: Path) -> Layer:
    """Put one more layer on the tree."""
    layer = Layer()
    stack = [(root, "")]
    while stack:
        parent, path = stack.pop()
        with os.scandir(f"{upper}{path}") as entries:
            for entry in entries:
                where, status = f"{path}/{entry.name}", entry.stat(follow_symlinks=False)
                below = parent.children.get(entry.name)
                if overlayfs.is_whiteout(status):
                    if below is not None:
                        layer.deleted += 1
                        layer.wasted += below.size
                        del parent.children[entry.name]
                    continue
                node = _place(parent, below, entry.name, status, f"{upper}{where}", layer)
                node.status, node.upper = status, upper
                if stat.S_ISDIR(status.st_mode):
                    stack.append((node, where))
                layer.size += _size(status)
                if stat.S_ISREG(status.st_mode):
                    layer.largest.append((where, status.st_size))
    layer.largest = sorted(layer.largest, key=lambda one: (-one[1], one[0]))[:_LARGEST]
    return layer


def _place(parent: Node, below: Node | None, name: str, status: os.stat_result, path: str, layer: Layer) -> Node:
    """The node of a layer's entry: what was there, if that is a directory whose files stay seen, or a new one."""
    if below is None:
        layer.added += 1
        parent.children[name] = Node()
        return parent.children[name]
    if not stat.S_ISDIR(status.st_mode) or not below.is_directory:
        layer.changed += 1
        layer.wasted += below.size
        parent.children[name] = Node()
        return parent.children[name]
    if _opaque(path):
        layer.deleted += len(below.children)
        layer.wasted += below.size
        below.children.clear()
    return below


def _opaque(path: str) -> bool:
    try:
        return os.getxattr(path, overlayfs.OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def _what(path: str, one: Node, other: Node) -> list[str]:
    """In what two files of one name differ."""
    here, there = one.status, other.status
    if one.upper == other.upper or here is None or there is None:
        return []
    if stat.S_IFMT(here.st_mode) != stat.S_IFMT(there.st_mode):
        return ["kind"]
    found = []
    if here.st_mode != there.st_mode:
        found.append(f"mode {stat.S_IMODE(here.st_mode):o} → {stat.S_IMODE(there.st_mode):o}")
    if (here.st_uid, here.st_gid) != (there.st_uid, there.st_gid):
        found.append(f"owner {here.st_uid}:{here.st_gid} → {there.st_uid}:{there.st_gid}")
    if here.st_rdev != there.st_rdev:
        found.append("device")
    first, second = f"{one.upper}{path}", f"{other.upper}{path}"
    if stat.S_ISLNK(here.st_mode) and os.readlink(first) != os.readlink(second):
        found.append(f"link {os.readlink(first)} → {os.readlink(second)}")
    if stat.S_ISREG(here.st_mode) and (here.st_size != there.st_size or not _same_content(first, second)):
        found.append("content")
    elif stat.S_ISREG(here.st_mode) and here.st_mtime_ns // _SECOND != there.st_mtime_ns // _SECOND:
        found.append("time")
    return found


def _same_content(one: str, other: str) -> bool:
    with open(one, "rb", buffering=0) as first, open(other, "rb", buffering=0) as second:
        return same_content(first.fileno(), second.fileno())


def _size(status: os.stat_result | None) -> int:
    return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else 0
