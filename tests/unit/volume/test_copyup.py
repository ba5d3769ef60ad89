"""Filling a volume from the image: what is kept, what is not followed, what is made again."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from havre.volume import treecopy
from havre.volume.copyup import copy_up

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    root = tmp_path / "rootfs"
    (root / "data").mkdir(parents=True)
    return root


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    home = tmp_path / "volumes" / "v" / "_data"
    home.mkdir(parents=True)
    return home


def names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def test_a_tree_is_copied(rootfs: Path, volume: Path) -> None:
    source = rootfs / "data"
    (source / "below" / "deep").mkdir(parents=True)
    (source / "below" / "file").write_bytes(os.urandom(3_000_000))
    (source / "empty").touch()
    (source / "link").symlink_to("/etc/passwd")
    copy_up(rootfs, "/data", volume)
    assert names(volume) == {"below", "below/deep", "below/file", "empty", "link"}
    assert (volume / "below" / "file").read_bytes() == (source / "below" / "file").read_bytes()
    assert os.readlink(volume / "link") == "/etc/passwd"
    assert names(volume.parent) == {"_data", *(f"_data/{name}" for name in names(volume))}


@needs_root
def test_owners_modes_times_and_attributes(rootfs: Path, volume: Path) -> None:
    source = rootfs / "data"
    (source / "file").write_text("x")
    os.chown(source / "file", 1000, 1001)
    os.chmod(source / "file", 0o4750)
    os.setxattr(source / "file", "user.mark", b"yes")
    os.utime(source / "file", ns=(1_000_000_001, 2_000_000_002))
    (source / "link").symlink_to("file")
    os.chown(source / "link", 7, 8, follow_symlinks=False)
    os.chown(source, 33, 34)
    os.chmod(source, 0o1777)
    copy_up(rootfs, "/data", volume)
    status = os.stat(volume / "file")
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1000, 1001, 0o4750)
    assert (status.st_atime_ns, status.st_mtime_ns) == (1_000_000_001, 2_000_000_002)
    assert os.getxattr(volume / "file", "user.mark") == b"yes"
    assert (os.lstat(volume / "link").st_uid, os.lstat(volume / "link").st_gid) == (7, 8)
    root = os.stat(volume)
    assert (root.st_uid, root.st_gid, stat.S_IMODE(root.st_mode)) == (33, 34, 0o1777)


@needs_root
def test_an_empty_directory_gives_its_owner_too(rootfs: Path, volume: Path) -> None:
    os.chown(rootfs / "data", 999, 999)
    copy_up(rootfs, "/data", volume)
    assert os.stat(volume).st_uid == 999


@needs_root
def test_pipes_devices_and_sockets(rootfs: Path, volume: Path) -> None:
    os.mkfifo(rootfs / "data" / "pipe", 0o622)
    os.mknod(rootfs / "data" / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.chmod(rootfs / "data" / "null", 0o666)
    copy_up(rootfs, "/data", volume)
    assert stat.S_ISFIFO(os.lstat(volume / "pipe").st_mode)
    device = os.lstat(volume / "null")
    assert stat.S_ISCHR(device.st_mode) and device.st_rdev == os.makedev(1, 3)
    assert stat.S_IMODE(device.st_mode) == 0o666


def test_hard_links_stay_links(rootfs: Path, volume: Path) -> None:
    (rootfs / "data" / "one").write_text("x")
    (rootfs / "data" / "below").mkdir()
    os.link(rootfs / "data" / "one", rootfs / "data" / "below" / "two")
    os.link(rootfs / "data" / "one", rootfs / "three")
    copy_up(rootfs, "/data", volume)
    assert os.stat(volume / "one").st_ino == os.stat(volume / "below" / "two").st_ino
    assert os.stat(volume / "one").st_nlink == 2


def test_a_volume_with_files_is_left_alone(rootfs: Path, volume: Path) -> None:
    (rootfs / "data" / "image").touch()
    (volume / "mine").touch()
    copy_up(rootfs, "/data", volume)
    assert names(volume) == {"mine"}


@pytest.mark.parametrize("target", ["/nothing", "/file", "/file/below", "/loop"])
def test_an_image_without_such_a_directory(rootfs: Path, volume: Path, target: str) -> None:
    (rootfs / "file").touch()
    (rootfs / "loop").symlink_to("/loop")
    copy_up(rootfs, target, volume)
    assert names(volume) == set()


def test_links_end_at_the_container_s_root(rootfs: Path, volume: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").touch()
    (rootfs / "out").symlink_to(f"../../..{tmp_path}/secret")
    (rootfs / "absolute").symlink_to(f"{tmp_path}/secret")
    (rootfs / "inside").symlink_to("/data")
    (rootfs / "data" / "file").touch()
    for target in ("/out", "/absolute", "/../secret"):
        copy_up(rootfs, target, volume)
        assert names(volume) == set()
    copy_up(rootfs, "/inside", volume)
    assert names(volume) == {"file"}


def test_a_copy_cut_short_is_made_again(rootfs: Path, volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (rootfs / "data" / f"file{number}").write_text(str(number))
    (rootfs / "data" / "below").mkdir()
    copied = treecopy._Copy._file
    count = 0

    def fail_at_third(*arguments: Any) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise OSError(28, "no space left on device")
        copied(*arguments)

    monkeypatch.setattr(treecopy._Copy, "_file", fail_at_third)
    with pytest.raises(OSError, match="no space left"):
        copy_up(rootfs, "/data", volume)
    monkeypatch.undo()
    copy_up(rootfs, "/data", volume)
    assert names(volume) == names(rootfs / "data")
    assert (volume / "file4").read_text() == "4"
    assert not (volume.parent / ".copying").exists()


def test_a_full_copy_is_not_made_again(rootfs: Path, volume: Path) -> None:
    (rootfs / "data" / "file").write_text("image")
    copy_up(rootfs, "/data", volume)
    (volume / "file").unlink()
    (volume / "mine").touch()
    copy_up(rootfs, "/data", volume)
    assert names(volume) == {"mine"}
