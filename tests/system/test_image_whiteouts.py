"""Layers over other layers: what they delete, hide, leave out and link to."""

import os

import pytest

from tests.system.layers import BASE, Layers, directory, file, hard, is_opaque, is_whiteout, layers, mode, owner, tar

__all__ = ["layers"]

pytestmark = pytest.mark.system


async def test_whiteouts(layers: Layers) -> None:
    await layers.unpack(tar(*BASE))
    root = await layers.unpack(tar(file(".wh.old"), directory("etc"), file("etc/.wh.passwd"), file("usr/.wh..wh..opq")))
    assert is_whiteout(root / "old") and is_whiteout(root / "etc/passwd")
    assert is_opaque(root / "usr") and os.listdir(root / "usr") == []
    assert not is_opaque(root / "etc")


async def test_whiteouts_touch_only_what_is_below(layers: Layers) -> None:
    await layers.unpack(tar(*BASE))
    root = await layers.unpack(
        tar(
            directory("old"), file("old/new", b"n"), file(".wh.old"),
            file(".wh.etc"), directory("etc"), file("etc/mine", b"m"),
            file("usr/x", b"x"), file("usr/.wh..wh..opq"), file("usr/y", b"y"),
            file("f", b"f"), file(".wh.f"),
            file(".wh.g"), file("g", b"g"),
            file(".wh.bin"), file("bin/deep/file", b"d"),
        )
    )  # fmt: skip
    assert is_opaque(root / "old") and (root / "old/new").read_bytes() == b"n"
    assert is_opaque(root / "etc") and os.listdir(root / "etc") == ["mine"]
    assert is_opaque(root / "usr") and sorted(os.listdir(root / "usr")) == ["x", "y"]
    assert (root / "f").read_bytes() == b"f" and (root / "g").read_bytes() == b"g"
    assert is_opaque(root / "bin") and (root / "bin/deep/file").read_bytes() == b"d"


async def test_whiteouts_of_a_lowest_layer_mean_nothing(layers: Layers) -> None:
    root = await layers.unpack(tar(file(".wh.a"), directory("d"), file("d/.wh..wh..opq"), file("d/b", b"b")))
    assert os.listdir(root) == ["d"] and not is_opaque(root / "d")


async def test_an_opaque_root(layers: Layers) -> None:
    await layers.unpack(tar(*BASE))
    root = await layers.unpack(tar(file(".wh..wh..opq"), file("etc/new", b"x")))
    assert is_opaque(root)
    assert mode(root / "etc") == 0o755  # what was below is gone, so its mode does not count


async def test_marks_of_aufs_are_passed_over(layers: Layers) -> None:
    await layers.unpack(tar(*BASE))
    root = await layers.unpack(
        tar(
            file(".wh..wh.aufs", b"x"),
            directory(".wh..wh.orph"),
            directory(".wh..wh.plnk"),
            file(".wh..wh.plnk/1.2", b"y"),
            file("a", b"a"),
        )
    )
    assert os.listdir(root) == ["a"]


async def test_directories_an_archive_leaves_out_are_those_below(layers: Layers) -> None:
    await layers.unpack(tar(*BASE))
    await layers.unpack(tar(file("unrelated")))
    root = await layers.unpack(tar(file("etc/new", b"1"), file("bin/tool", b"2"), file("brand/new/dir/file", b"3")))
    assert (mode(root / "etc"), owner(root / "etc"), (root / "etc").stat().st_mtime) == (0o750, (3, 4), 99)
    assert not (root / "bin").exists()
    assert (root / "usr/bin/tool").read_bytes() == b"2" and mode(root / "usr/bin") == 0o711
    assert (mode(root / "brand/new/dir"), owner(root / "brand")) == (0o755, (0, 0))


async def test_directories_that_were_deleted_do_not_count(layers: Layers) -> None:
    await layers.unpack(tar(*BASE))
    await layers.unpack(tar(file(".wh.etc")))
    root = await layers.unpack(tar(file("etc/new", b"1")))
    assert (mode(root / "etc"), owner(root / "etc")) == (0o755, (0, 0))


async def test_a_hard_link_to_a_file_below(layers: Layers) -> None:
    await layers.unpack(tar(*BASE, file("cap", b"c", xattrs={"user.a": "1"})))
    root = await layers.unpack(tar(hard("etc/again", "etc/passwd"), hard("cap2", "cap"), hard("b2", "bin")))
    assert (root / "etc/passwd").read_bytes() == b"root"
    assert (root / "etc/again").stat().st_ino == (root / "etc/passwd").stat().st_ino
    assert (mode(root / "etc/again"), owner(root / "etc/again"), (root / "etc/again").stat().st_mtime) == (
        0o600,
        (3, 0),
        9,
    )
    assert mode(root / "etc") == 0o750
    assert os.getxattr(root / "cap2", "user.a") == b"1"
    assert os.readlink(root / "b2") == "usr/bin"
