"""Trees that try to survive, or to take others with them."""

import os
from pathlib import Path

from havre.kernel.removal import remove_tree


def test_a_tree(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for path in ("a/b/c", "a/d", "e"):
        (root / path).mkdir(parents=True)
        (root / path / "file").write_text("x")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("x")
    (root / "a/link").symlink_to(tmp_path / "precious")
    (root / "a/hard").hardlink_to(tmp_path / "precious/file")
    os.mkfifo(root / "e/fifo")
    (root / "locked").mkdir(mode=0)
    remove_tree(root)
    assert not root.exists()
    assert (tmp_path / "precious/file").read_text() == "x"


def test_a_tree_deeper_than_any_path(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    fd = os.open(root, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deeper", dir_fd=fd)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    remove_tree(root)
    assert not root.exists()


def test_names_like_its_own(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for path in (".removing-0/x/.removing-1/y", ".removing-2", "z/.removing-3/.removing-0"):
        (root / path).mkdir(parents=True)
    remove_tree(root)
    assert not root.exists()


def test_nothing(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nothing")
