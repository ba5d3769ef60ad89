"""What one layer changes of others, compared with what overlayfs shows; kinds and order are dockerd's."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from havre.kernel import layerdiff, mounts, overlayfs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

WHITEOUT = overlayfs.WHITEOUT


def told(upper: Path, *below: Path, ignored: tuple[str, ...] = ()) -> list[str]:
    found = layerdiff.changes(upper, below, lambda path, status: path in ignored)
    return [f"{'CAD'[change.kind]} {os.fsdecode(change.path)}" for change in found]


@pytest.fixture
def below(tmp_path: Path) -> tuple[Path, Path]:
    """Two layers; the upper of them deletes ``/b`` and replaces ``/e``."""
    one, two = tmp_path / "1", tmp_path / "2"
    for path in ("a/x", "a/y/z", "b", "c/d", "e/old", "f", "plain"):
        (one / path).parent.mkdir(parents=True, exist_ok=True)
        (one / path).write_text(path)
        os.utime(one / path, (1_000, 1_000))
    (two / "e").mkdir(parents=True)
    (two / "e" / "new").write_text("e")
    os.setxattr(two / "e", overlayfs.OPAQUE, b"y")
    os.mknod(two / "b", stat.S_IFCHR, WHITEOUT)
    return two, one


@pytest.fixture
def changed(tmp_path: Path, below: tuple[Path, Path]) -> Callable[[Callable[[Path], object]], list[str]]:
    """Let overlayfs itself make the layer: what a function does in the merged tree, told."""

    def change(work: Callable[[Path], object]) -> list[str]:
        upper, work_dir, merged = tmp_path / "u", tmp_path / "w", tmp_path / "m"
        for directory in (upper, work_dir, merged):
            directory.mkdir()
        overlayfs.mount_stack(merged, below, upper, work_dir)
        try:
            work(merged)
        finally:
            mounts.unmount(merged)
        return told(upper, *below)

    return change


Changed = Callable[[Callable[[Path], object]], list[str]]


def _replace_directory(root: Path) -> None:
    (root / "a" / "x").unlink()
    (root / "a" / "y" / "z").unlink()
    (root / "a" / "y").rmdir()
    (root / "a").rmdir()
    (root / "a").mkdir(0o755)
    (root / "a" / "x").mkdir()


def _file_for_directory(root: Path) -> None:
    (root / "c" / "d").unlink()
    (root / "c").rmdir()
    (root / "c").write_text("file")


def _directory_for_file(root: Path) -> None:
    (root / "f").unlink()
    (root / "f").mkdir()
    (root / "f" / "in").touch()


def _touched_and_back(root: Path) -> None:
    (root / "a" / "new").touch()
    (root / "a" / "new").unlink()
    (root / "f").chmod(0o600)
    (root / "f").chmod(0o644)


def _again(root: Path) -> None:
    (root / "f").unlink()
    (root / "f").write_text("f")
    os.utime(root / "f", (1_000, 1_000))


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda root: None, []),
        (lambda root: (root / "new" / "deep").mkdir(parents=True), ["A /new", "A /new/deep"]),
        (lambda root: (root / "a" / "y" / "n").touch(), ["C /a", "C /a/y", "A /a/y/n"]),
        (lambda root: (root / "a" / "x").unlink(), ["C /a", "D /a/x"]),
        (lambda root: (root / "a" / "y" / "z").chmod(0o600), ["C /a", "C /a/y", "C /a/y/z"]),
        (lambda root: (root / "a").chmod(0o700), ["C /a"]),
        (lambda root: os.chown(root / "a", 1, 1), ["C /a"]),
        (lambda root: os.utime(root / "a", (5, 5)), []),
        (lambda root: os.utime(root / "f", (5, 5)), ["C /f"]),
        (lambda root: os.utime(root / "f", ns=(1, 1_000_000_000_000)), []),
        (lambda root: (root / "b").write_text("b"), ["A /b"]),
        (lambda root: (root / "e" / "old").write_text("e"), ["C /e", "A /e/old"]),
        (lambda root: (root / "e" / "new").unlink(), ["C /e", "D /e/new"]),
        (lambda root: os.link(root / "f", root / "g"), ["A /g"]),
        (lambda root: (root / "f").rename(root / "a" / "f"), ["C /a", "A /a/f", "D /f"]),
        (lambda root: os.mkfifo(root / "p"), ["A /p"]),
        (_replace_directory, ["C /a", "C /a/x", "D /a/y"]),
        (_file_for_directory, ["C /c"]),
        (_directory_for_file, ["C /f", "A /f/in"]),
        (_touched_and_back, []),
        (_again, []),
    ],
)  # fmt: skip
def test_changes(changed: Changed, work: Callable[[Path], object], expected: list[str]) -> None:
    assert changed(work) == expected


def test_capabilities(changed: Changed) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")

    def work(root: Path) -> None:
        os.setxattr(root / "f", "security.capability", capability)
        os.setxattr(root / "plain", "user.x", b"1")

    assert changed(work) == ["C /f"]


def test_names_of_any_bytes(tmp_path: Path) -> None:
    upper = tmp_path / "u"
    upper.mkdir()
    for name in (b"\xff", b"new\nline", b"z"):
        (upper / os.fsdecode(name)).touch()
    assert [change.path for change in layerdiff.changes(upper, [], lambda *_: False)] == [
        b"/new\nline",
        b"/z",
        b"/\xff",
    ]


def test_mount_points_the_runtime_made(tmp_path: Path, below: tuple[Path, Path]) -> None:
    upper = tmp_path / "u"
    (upper / "etc").mkdir(parents=True)
    (upper / "etc" / "hosts").touch()
    assert told(upper, *below, ignored=("etc", "etc/hosts")) == []
    (upper / "etc" / "mine").touch()
    assert told(upper, *below, ignored=("etc", "etc/hosts")) == ["C /etc", "A /etc/mine"]


def test_placeholders(tmp_path: Path) -> None:
    upper, below = tmp_path / "u", tmp_path / "b"
    (upper / "etc").mkdir(parents=True)
    for name in ("hosts", "hostname"):
        (upper / "etc" / name).touch()
    below.mkdir()
    wanted = ("hosts", "hostname", "resolv.conf")

    def found() -> set[str]:
        return set(layerdiff.placeholders(upper, [below], "etc", wanted))

    assert found() == {"etc/hosts", "etc/hostname"}
    (below / "etc").mkdir()
    assert found() == {"etc", "etc/hosts", "etc/hostname"}
    (below / "etc" / "hostname").touch()
    assert found() == {"etc/hosts"}
    (upper / "etc" / "hosts").write_text("127.0.0.1 me")
    assert found() == set()
    assert layerdiff.placeholders(below, [], "home", wanted) == frozenset()


def test_deep_trees_take_few_descriptors(tmp_path: Path) -> None:
    upper, below = tmp_path / "u", tmp_path / "b"
    for root in (upper, below):
        (root / "/".join(["d"] * 400)).mkdir(parents=True)
    (upper / "/".join([*["d"] * 400, "f"])).touch()
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 100, hard))
    try:
        assert len(told(upper, below)) == 401
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
