"""Copying a tree: what is kept, what a live one may do, how it is broken off."""

import itertools
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from havre.volume import treecopy
from havre.volume.treecopy import Copied, StoppedError, copy_tree


def copied(source: Path, target: Path, **options: object) -> Copied:
    target.mkdir(exist_ok=True)
    reading, writing = os.open(source, os.O_RDONLY), os.open(target, os.O_RDONLY)
    try:
        return copy_tree(reading, writing, **options)  # type: ignore[arg-type]
    finally:
        os.close(reading)
        os.close(writing)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "b" / "file").write_text("text")
    return path


def test_everything_is_kept(source: Path, tmp_path: Path) -> None:
    os.link(source / "a/b/file", source / "hard")
    os.symlink("/nowhere", source / "soft")
    os.mkfifo(source / "pipe", 0o640)
    os.setxattr(source / "hard", "user.mine", b"1")
    os.setxattr(source / "a", "trusted.overlay.opaque", b"y")
    os.chown(source / "hard", 5, 6)
    os.chmod(source / "hard", 0o4751)
    os.utime(source / "a", ns=(1, 2))
    os.chown(source, 7, 8)
    target = tmp_path / "target"
    assert copied(source, target) == Copied(6, 4, copied(source, tmp_path / "again").shared)
    one = (target / "hard").stat()
    assert (one.st_uid, one.st_gid, one.st_mode & 0o7777, one.st_nlink) == (5, 6, 0o4751, 2)
    assert os.getxattr(target / "a/b/file", "user.mine") == b"1"
    assert os.getxattr(target / "a", "trusted.overlay.opaque") == b"y"
    assert os.readlink(target / "soft") == "/nowhere" and stat.S_ISFIFO((target / "pipe").stat().st_mode)
    assert (target / "a").stat().st_mtime_ns == 2 and target.stat().st_uid == 7


def test_holes_stay_holes(source: Path, tmp_path: Path) -> None:
    with (source / "sparse").open("wb") as file:
        file.truncate(200_000_000)
        file.seek(100_000_000)
        file.write(b"middle")
    copied(source, tmp_path / "target", reflink=False)
    made = tmp_path / "target" / "sparse"
    assert made.stat().st_size == 200_000_000 and made.stat().st_blocks * 512 < 1 << 20
    with made.open("rb") as file:
        file.seek(100_000_000)
        assert file.read(7) == b"middle\0"


def test_left_out_attributes(source: Path, tmp_path: Path) -> None:
    os.setxattr(source / "a", "user.overlay.opaque", b"y")
    copied(source, tmp_path / "target", left_out=("user.overlay.",))
    assert os.listxattr(tmp_path / "target" / "a") == []


def test_what_vanishes(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.listdir

    def listing(fd: int) -> list[str]:
        return [*real(fd), "gone"]

    monkeypatch.setattr(treecopy.os, "listdir", listing)
    copied(source, tmp_path / "target", live=True)
    assert (tmp_path / "target/a/b/file").read_text() == "text"
    with pytest.raises(FileNotFoundError):
        copied(source, tmp_path / "other")


@pytest.mark.parametrize(("name", "becomes"), [("hard", "link"), ("a", "file"), ("a", "link"), ("soft", "file")])
def test_what_becomes_something_else(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, becomes: str
) -> None:
    real = os.stat

    def looked_at(path: Any, **words: Any) -> os.stat_result:
        status = real(path, **words)
        if path == name:
            os.rename(source / name, tmp_path / f"away{next(count)}")
            (source / name).symlink_to("/etc") if becomes == "link" else (source / name).write_text("x")
        return status

    count = itertools.count()
    monkeypatch.setattr(treecopy.os, "stat", looked_at)
    copied(source, tmp_path / "target", live=True)
    assert not os.path.lexists(tmp_path / "target" / name)


def test_broken_off(source: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        copied(source, tmp_path / "target", stopped=lambda: True)
