"""Go's words for paths and modes, as a real dockerd 28 has them."""

import os
import stat
from pathlib import Path

import pytest

from havre.engine.container import pathstat


@pytest.mark.parametrize(
    ("path", "absolute", "base"),
    [
        ("/d", "/d", "d"),
        ("/d/", "/d/", "d"),
        ("/d/.", "/d/.", "."),
        ("d", "/d", "d"),
        ("/", "/", "/"),
        ("//", "/", "/"),
        ("/.", "/.", "."),
        (".", "/.", "."),
        ("..", "/", ".."),
        ("./", "/.", "."),
        ("//d//f", "/d/f", "f"),
        ("/d/sub/../f", "/d/f", "f"),
        ("/d/../../f/", "/f/", "f"),
        ("/a b/ż", "/a b/ż", "ż"),
    ],
)
def test_paths(path: str, absolute: str, base: str) -> None:
    assert (pathstat.absolute(path), pathstat.base(path)) == (absolute, base)


@pytest.mark.parametrize(
    ("mode", "number"),
    [
        (stat.S_IFDIR | 0o755, 2147484141),
        (stat.S_IFREG | stat.S_ISUID | 0o755, 8389101),
        (stat.S_IFLNK | 0o777, 134218239),
        (stat.S_IFCHR | 0o644, 69206436),
        (stat.S_IFBLK | 0o660, 67109296),
        (stat.S_IFIFO | 0o644, 33554852),
        (stat.S_IFSOCK | 0o755, 16777709),
        (stat.S_IFDIR | stat.S_ISVTX | 0o777, 2148532735),
        (stat.S_IFDIR | stat.S_ISGID | 0o775, 2151678461),
        (stat.S_IFREG | 0o644, 420),
    ],
)
def test_modes(mode: int, number: int) -> None:
    assert pathstat.go_mode(mode) == number


def test_the_whole_header(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    (tmp_path / "f").chmod(0o640)
    os.utime(tmp_path / "f", ns=(0, 1_700_000_000_500_000_000))
    assert pathstat.path_stat("f", (tmp_path / "f").stat(), "/x") == {
        "name": "f",
        "size": 3,
        "mode": 0o640,
        "mtime": "2023-11-14T22:13:20.5Z",
        "linkTarget": "/x",
    }
