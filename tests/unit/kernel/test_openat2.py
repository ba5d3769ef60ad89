"""Walks that a foreign tree tries to lead astray."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from havre.kernel.openat2 import open_beneath, open_in_root


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """A tree as a container may leave it, beside a secret."""
    (tmp_path / "secret").write_text("host")
    tree = tmp_path / "root"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/passwd").write_text("container")
    (tree / "secret").write_text("container")
    (tree / "absolute").symlink_to("/etc/passwd")
    (tree / "climbing").symlink_to("../../../../../../secret")
    (tree / "etc/up").symlink_to("../../../secret")
    (tree / "directory").symlink_to("/etc")
    (tree / "loop").symlink_to("loop")
    fd = os.open(tree, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def read(fd: int) -> str:
    with os.fdopen(fd) as file:
        return file.read()


@pytest.mark.parametrize(
    "path",
    ["etc/passwd", "/etc/passwd", "absolute", "climbing", "etc/up", "directory/passwd", "../../secret", b"secret"],
)
def test_everything_ends_in_the_root(root: int, path: str | bytes) -> None:
    assert read(open_in_root(root, path, os.O_RDONLY)) == "container"


def test_creating_through_links(root: int, tmp_path: Path) -> None:
    os.close(open_in_root(root, "directory/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    assert (tmp_path / "root/etc/new").stat().st_mode & 0o777 == 0o600


def test_descriptors_are_not_inherited(root: int) -> None:
    fd = open_in_root(root, "etc/passwd", os.O_RDONLY)
    assert not os.get_inheritable(fd)
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("absolute", errno.ELOOP),
        ("directory/passwd", errno.ELOOP),
        ("../secret", errno.EXDEV),
        ("/etc/passwd", errno.EXDEV),
        ("nothing", errno.ENOENT),
    ],
)
def test_beneath_follows_nothing(root: int, path: str, code: int) -> None:
    with pytest.raises(OSError) as caught:
        open_beneath(root, path, os.O_RDONLY)
    assert caught.value.errno == code and caught.value.filename == path
    assert read(open_beneath(root, "etc/passwd", os.O_RDONLY)) == "container"


def test_loops(root: int) -> None:
    with pytest.raises(OSError) as caught:
        open_in_root(root, "loop", os.O_RDONLY)
    assert caught.value.errno == errno.ELOOP
