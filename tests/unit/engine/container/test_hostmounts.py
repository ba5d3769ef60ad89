"""Parts of volumes and images: found below them, or not at all."""

import os
from pathlib import Path

import pytest

from havre.engine.container import hostmounts
from havre.engine.container.rootfs import replace_links
from havre.errors import InvalidParameter, NotFound


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    base = tmp_path / "volume"
    (base / "sub").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for name, target in {
        "inside": "sub",
        "out": "/etc",
        "up": "../outside",
        "round": "sub/../../volume/sub",
        "loop": "loop",
        "dangling": "none",
    }.items():
        (base / name).symlink_to(target)
    return base


@pytest.mark.parametrize("part", ["sub", "inside", ".", "sub/..", "./sub//"])
def test_a_part(volume: Path, part: str) -> None:
    fd = hostmounts._open_part(volume, part)
    try:
        assert os.readlink(f"/proc/self/fd/{fd}").startswith(str(volume))
    finally:
        os.close(fd)


@pytest.mark.parametrize("part", ["out", "up", "round", "../outside"])
def test_what_leads_out(volume: Path, part: str) -> None:
    with pytest.raises(InvalidParameter, match="path concatenation escapes the base directory"):
        hostmounts._open_part(volume, part)


@pytest.mark.parametrize("part", ["none", "dangling", "sub/none"])
def test_what_is_not_there(volume: Path, part: str) -> None:
    with pytest.raises(NotFound, match=f"cannot access path {volume}/{part}: lstat .*: no such file or directory"):
        hostmounts._open_part(volume, part)


def test_a_loop(volume: Path) -> None:
    with pytest.raises(InvalidParameter, match="too many links"):
        hostmounts._open_part(volume, "loop")


def test_snapshots_and_their_containers() -> None:
    container = "a" * 64
    key = hostmounts.snapshot_key(container, 3)
    assert [hostmounts.snapshot_owner(one) for one in (container, key, f"sha256:{container}", "short")] == [
        container,
        container,
        None,
        None,
    ]


def test_links_where_the_runtime_mounts(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (root / "sys").mkdir(parents=True)
    (root / "dev").symlink_to(outside)
    (root / "proc").symlink_to("../outside")
    (root / "etc").symlink_to(outside)
    replace_links(root)
    assert [name for name in ("dev", "proc", "sys") if (root / name).is_symlink()] == []
    assert (root / "etc").is_symlink() and outside.is_dir()
