"""Views of containers' files: what they show, that links stay inside, and that the host sees nothing of them."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from havre.errors import NotFound
from havre.kernel import mounts, pidfd, views
from havre.kernel.views import Bind, TooManyLinksError, View

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# A process in a mount namespace of its own, whose root is the first argument; then it changes its root once more.
_CONTAINER = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
libc.unshare(0x20000)
libc.mount(b"none", b"/", None, 1 << 18 | 16384, None)
os.chdir(sys.argv[1])
libc.mount(b"proc", b"proc", b"proc", 0, None)
libc.mount(b"tmpfs", b"dev", b"tmpfs", 0, None)
libc.mount(b"tmpfs", b"data", b"tmpfs", 0, None)
open("data/inside", "w").write("tmpfs")
libc.pivot_root(b".", b".")
libc.umount2(b".", 2)
os.chroot("/jail")
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A root file system as a mount of its own."""
    root = tmp_path / "rootfs"
    for name in ("etc", "proc", "dev", "data", "jail/etc"):
        (root / name).mkdir(parents=True)
    (root / "etc" / "name").write_text("container")
    (root / "jail" / "etc" / "name").write_text("jail")
    mounts.bind(root, root)
    yield root
    mounts.unmount(root, detach=True)


@pytest.fixture
def process(tree: Path) -> Iterator[int]:
    command = [sys.executable, "-c", _CONTAINER, str(tree)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None and running.stdout.readline() == b"ready\n"
        yield running.pid
        running.kill()


def _read(view: View, path: str) -> str:
    with open(view.open(path, os.O_RDONLY)) as file:
        return file.read()


def _started(pid: int) -> int:
    started = pidfd.start_time(pid)
    assert started is not None
    return started


def test_a_process_is_seen_by_its_namespace_not_by_its_root(process: int) -> None:
    view = views.of_process(process, _started(process), ())
    assert view is not None
    assert _read(view, "/etc/name") == "container"
    assert _read(view, "/data/inside") == "tmpfs"
    view.close()


def test_pseudo_file_systems_are_hidden_unless_asked_for(process: int) -> None:
    def hidden(*shown: str) -> set[str]:
        view = views.of_process(process, _started(process), shown)
        assert view is not None
        found = set()
        for name in ("/", "/proc", "/dev", "/data"):
            fd = view.open(name, os.O_PATH)
            if views.mount_id(fd) in view.hidden:
                found.add(name)
            os.close(fd)
        view.close()
        return found

    assert hidden() == {"/proc", "/dev"}
    assert hidden("/dev") == {"/proc"}


def test_a_view_outlives_the_process(process: int) -> None:
    view = views.of_process(process, _started(process), ())
    assert view is not None
    os.kill(process, 9)
    os.waitpid(process, 0)
    assert _read(view, "/data/inside") == "tmpfs"
    view.close()


def test_a_process_that_is_another_or_gone() -> None:
    with subprocess.Popen(["sleep", "1000"]) as running:
        with pytest.raises(NotFound):
            views.of_process(running.pid, _started(running.pid) + 1, ())
        # On the host's mounts it shows the host: that is nobody's container.
        assert views.of_process(running.pid, _started(running.pid), ()) is None
        running.kill()
    with pytest.raises(NotFound):
        views.of_process(running.pid, 1, ())


def test_a_tree_with_volumes(tree: Path, tmp_path: Path) -> None:
    volume, file = tmp_path / "volume", tmp_path / "file"
    volume.mkdir()
    (volume / "x").write_text("volume")
    file.write_text("file")
    (tree / "link").symlink_to("/data")
    before = Path("/proc/self/mountinfo").read_text()
    binds = [
        Bind(volume, "/made/for/it"),
        Bind(volume, "/link/through", readonly=True),
        Bind(file, "/etc/name"),
        Bind(file, "/new/file", readonly=True),
        Bind(None, "/scratch"),
    ]
    view = views.of_tree(tree, binds, readonly=False)
    assert _read(view, "/made/for/it/x") == _read(view, "/data/through/x") == "volume"
    assert _read(view, "/etc/name") == _read(view, "/new/file") == "file"
    assert (tree / "etc" / "name").read_text() == "container", "the mount shows in the view only"
    assert Path("/proc/self/mountinfo").read_text() == before
    for path, writable in (
        ("/made/for/it", True),
        ("/data/through", False),
        ("/new/file", False),
        ("/scratch", False),
        ("/etc", True),
    ):
        fd = view.open(path, os.O_PATH)
        assert bool(os.fstatvfs(fd).f_flag & os.ST_RDONLY) != writable, path
        os.close(fd)
    view.close()


def test_a_tree_that_is_read_only_has_writable_volumes(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    view = views.of_tree(tree, [Bind(tmp_path / "volume", "/missing")], readonly=True)
    os.close(view.open("/missing/f", os.O_CREAT | os.O_WRONLY))
    with pytest.raises(OSError, match="Read-only"):
        view.open("/f", os.O_CREAT | os.O_WRONLY)
    (tree / "host").touch()
    view.close()


def test_mount_points_never_lead_out(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tree / "escape").symlink_to(outside)
    (tree / str(tmp_path).lstrip("/")).mkdir(parents=True)
    with pytest.raises(OSError):
        views.of_tree(tree, [Bind(tree, "/escape/made")], readonly=False)
    assert list(outside.iterdir()) == []


def test_the_view_stays_when_the_mount_goes(tree: Path) -> None:
    view = views.of_tree(tree, [], readonly=False)
    mounts.unmount(tree)
    mounts.bind(tree, tree)
    assert _read(view, "/etc/name") == "container"
    view.close()


def test_failures_leave_nothing_open(tree: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError):
        views.of_tree(tree, [Bind(Path("/proc/self/nothing"), "/etc")], readonly=False)
    with pytest.raises(OSError):
        views.of_tree(tree / "missing", [], readonly=False)
    assert len(os.listdir("/proc/self/fd")) == before
    assert gc.isenabled()


def test_links_are_resolved_inside(tree: Path) -> None:
    for name, target in (
        ("a", "etc/name"),
        ("b", "/a"),
        ("c", "../../../etc"),
        ("etc/up", "../data/../missing/x"),
        ("loop", "loop"),
        ("out", "/proc/self/root/etc"),
    ):
        (tree / name).symlink_to(target)
    view = views.of_tree(tree, [], readonly=False)
    for path, resolved in (
        (b"/b", b"/etc/name"),
        (b"c/name", b"/etc/name"),
        (b"/etc/up", b"/missing/x"),
        (b"/", b"/"),
        (b"/../x/./y", b"/x/y"),
        (b"/out", b"/proc/self/root/etc"),
    ):
        assert view.resolve(path) == resolved
    with pytest.raises(TooManyLinksError):
        view.resolve(b"/loop")
    with pytest.raises(NotADirectoryError):
        view.resolve(b"/etc/name/x")
    assert _read(view, "/b") == "container"
    view.close()


def test_magic_links_are_not_followed(process: int) -> None:
    view = views.of_process(process, _started(process), ())
    assert view is not None
    # Its procfs is the host's: this would be the host's root.
    with pytest.raises(OSError):
        view.open("/proc/1/root/etc", os.O_PATH)
    view.close()
