"""What only the snapshotter on overlayfs has: whiteouts, long stacks, and a memory across the daemon's end."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from havre.errors import Conflict, SystemFault
from havre.image.snapshots import Usage
from havre.image.snapshots.overlay import OverlaySnapshotter, measure
from havre.kernel import mounts, overlayfs
from tests.contract.test_snapshotter import layer, overlay

pytestmark = pytest.mark.system


@pytest.fixture(autouse=True)
def _no_mount_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert not [entry.target for entry in mounts.mountinfo() if entry.target.startswith(f"{tmp_path}/")]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.mkdir()
    return path


def numbers(root: Path) -> set[int]:
    return {int(name) for name in os.listdir(root / "data/snapshots")}


async def test_deleted_files(tmp_path: Path, target: Path) -> None:
    async with overlay(tmp_path) as snapshotter:
        base = await layer(snapshotter, "base", None, gone="x", stays="y")
        await snapshotter.prepare("container", base)
        await snapshotter.mount("container", target)
        (target / "gone").unlink()
        await snapshotter.unmount(target)
        status = (snapshotter.upper("container") / "gone").lstat()
        assert stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
        await snapshotter.mount("container", target, readonly=True)
        assert os.listdir(target) == ["stays"]
        with pytest.raises(OSError, match="Read-only"):
            (target / "new").touch()
        await snapshotter.unmount(target)


async def test_a_readonly_layer_alone(tmp_path: Path, target: Path) -> None:
    async with overlay(tmp_path) as snapshotter:
        base = await layer(snapshotter, "base", None, a="1")
        await snapshotter.mount(base, target, readonly=True)
        with pytest.raises(OSError, match="Read-only"):
            (target / "a").write_text("2")
        await snapshotter.unmount(target)


@pytest.mark.parametrize("depth", [2, 127, 150])
async def test_long_stacks(tmp_path: Path, depth: int) -> None:
    root = tmp_path / ("deep, with: a long \\name " + "x" * 100)
    target = root / "target"
    target.mkdir(parents=True)
    async with overlay(root) as snapshotter:
        parent: str | None = None
        for number in range(depth):
            parent = await layer(snapshotter, f"layer{number}", parent, same=str(number), **{f"own{number}": "x"})
        await snapshotter.prepare("container", parent)
        for readonly in (False, True):
            await snapshotter.mount("container", target, readonly)
            assert len(os.listdir(target)) == depth + 1
            assert (target / "same").read_text() == str(depth - 1)
            await snapshotter.unmount(target)


async def test_stacks_the_kernel_does_not_take(tmp_path: Path, target: Path) -> None:
    async with overlay(tmp_path) as snapshotter:
        parent: str | None = None
        for number in range(300):
            parent = await layer(snapshotter, f"layer{number}", parent)
        await snapshotter.prepare("container", parent)
        with pytest.raises(SystemFault, match="too many layers"):
            await snapshotter.mount("container", target)


async def test_the_root_directory_is_like_the_image_s(tmp_path: Path, target: Path) -> None:
    async with overlay(tmp_path) as snapshotter:
        await snapshotter.prepare("unpack", None)
        os.chown(snapshotter.upper("unpack"), 1000, 1001)
        snapshotter.upper("unpack").chmod(0o1750)
        await snapshotter.commit("unpack", "base", Usage(0, 0))
        await snapshotter.prepare("container", "base")
        await snapshotter.mount("container", target)
        status = target.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1000, 1001, 0o1750)
        await snapshotter.unmount(target)


async def test_mounted_again_at_once(tmp_path: Path, target: Path) -> None:
    async with overlay(tmp_path) as snapshotter:
        base = await layer(snapshotter, "base", None, a="1")
        await snapshotter.prepare("container", base)
        for number in range(20):
            await snapshotter.mount("container", target)
            (target / str(number)).write_text("x")
            await snapshotter.unmount(target)
            assert os.listdir(target) == []
        await snapshotter.mount("container", target)
        assert len(os.listdir(target)) == 21
        await snapshotter.unmount(target)
        await snapshotter.remove("container")
    assert numbers(tmp_path) == {1}


async def test_remembered_by_the_next_daemon(tmp_path: Path, target: Path) -> None:
    async with overlay(tmp_path) as snapshotter:
        base = await layer(snapshotter, "base", None, a="1")
        await snapshotter.prepare("container", base)
        await snapshotter.mount("container", target)
        before = dict(snapshotter.all())
    async with overlay(tmp_path) as snapshotter:
        assert dict(snapshotter.all()) == before
        assert (target / "a").read_text() == "1"
        with pytest.raises(Conflict, match="mounted"):
            await snapshotter.remove("container")
        with pytest.raises(Conflict, match="standing on it"):
            await snapshotter.remove(base)
        await snapshotter.unmount(target)
        await snapshotter.remove("container")
        assert (await snapshotter.prepare("another", base)).number > max(each.number for each in before.values())


async def test_what_a_killed_daemon_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with overlay(tmp_path) as snapshotter:
        base = await layer(snapshotter, "base", None, a="1")
        await snapshotter.prepare("lost", base)
        number = snapshotter.all()["lost"].number
        # Killed after the record was dropped, before the files were deleted.
        monkeypatch.setattr(OverlaySnapshotter, "_delete_later", lambda *_: None)
        await snapshotter.remove("lost")
        monkeypatch.undo()
        # Killed before the record was made.
        (tmp_path / "data/snapshots/77/fs").mkdir(parents=True)
        # Somebody deleted the files of this one.
        await snapshotter.prepare("hollow", base)
        hollow = snapshotter.all()["hollow"].number
    for path in (tmp_path / f"data/snapshots/{hollow}").iterdir():
        path.rmdir()
    (tmp_path / f"data/snapshots/{hollow}").rmdir()
    assert numbers(tmp_path) == {1, number, 77}
    async with overlay(tmp_path) as snapshotter:
        assert list(snapshotter.all()) == [base]
        assert (await snapshotter.prepare("new", base)).number == 78
        await snapshotter.remove("new")
    assert numbers(tmp_path) == {1}


async def test_killed_while_it_was_probing(tmp_path: Path) -> None:
    merged = tmp_path / "data/snapshots/probe/merged"
    merged.mkdir(parents=True)
    (tmp_path / "data/snapshots/probe/lower").mkdir()
    for _ in range(2):
        mounts.bind(tmp_path, merged)
    async with overlay(tmp_path):
        assert numbers(tmp_path) == set()
    assert tmp_path.exists() and not mounts.is_mounted(merged)


async def test_a_file_system_that_cannot(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    mounts.mount("proc", root, "ramfs")
    try:
        (root / "data/snapshots").mkdir(parents=True)
        for name in ("lower", "upper", "work"):
            (tmp_path / name).mkdir()
        overlayfs.mount_stack(root / "data/snapshots", [tmp_path / "lower"], tmp_path / "upper", tmp_path / "work")
        with pytest.raises(SystemFault, match="cannot hold overlay snapshots"):
            async with overlay(root):
                pass
    finally:
        mounts.unmount_all(root / "data/snapshots")
        mounts.unmount(root, detach=True)


async def test_removal_does_not_follow_what_a_container_made(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("x")
    async with overlay(tmp_path) as snapshotter:
        await snapshotter.prepare("container", None)
        upper = snapshotter.upper("container")
        (upper / "link").symlink_to(tmp_path / "precious")
        (upper / "locked").mkdir(mode=0)
        os.mknod(upper / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        await snapshotter.remove("container")
    assert numbers(tmp_path) == set()
    assert (tmp_path / "precious/file").read_text() == "x"


async def test_a_failed_prepare_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with overlay(tmp_path) as snapshotter:
        base = await layer(snapshotter, "base", None)

        async def full(_: object, *, frees_room: bool = False) -> None:
            raise OSError("disk full")

        with monkeypatch.context() as patch:
            patch.setattr(snapshotter._db, "write", full)
            with pytest.raises(OSError, match="disk full"):
                await snapshotter.prepare("container", base)
        assert list(snapshotter.all()) == [base]
        await snapshotter.remove(base)
    assert numbers(tmp_path) == set()


def test_measure(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/link").symlink_to("../a")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1000)
    assert measure(tmp_path) == Usage(5 + 4 + 1000, 4)
