"""A layer in overlayfs' format as an archive and as a copy: both say the same, and only what an image may have."""

import io
import os
import socket
import stat
import tarfile
from pathlib import Path

import pytest

from havre.kernel import mounts, overlayfs, treelayer
from havre.kernel.unpack import Limits, unpack

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def copied(upper: Path, target: Path, without: tuple[str, ...] = ()) -> tuple[bytes, treelayer.LayerCopy]:
    chunks: list[bytes] = []
    target.mkdir()
    source, made = (os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (upper, target))
    try:
        result = treelayer.copy_layer(source, made, without, chunks.append)
    finally:
        os.close(source)
        os.close(made)
    return b"".join(chunks), result


def names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive), errors="surrogateescape") as tar:
        return tar.getnames()


def described(root: Path) -> dict[str, object]:
    """All that counts of a tree, by path."""
    found: dict[str, object] = {}
    inodes: dict[int, str] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        content: object = None
        if kind == stat.S_IFREG:
            content = path.read_bytes()
        elif kind == stat.S_IFLNK:
            content = os.readlink(path)
        attributes = {
            name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
        }
        owner = (status.st_mode, status.st_uid, status.st_gid, status.st_rdev)
        first = inodes.setdefault(status.st_ino, str(path.relative_to(root)))
        # The time of a deletion is nobody's business.
        when = None if overlayfs.is_whiteout(status) else status.st_mtime_ns
        found[str(path.relative_to(root))] = (*owner, when, content, attributes, first)
    return found


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    """What a container has changed of ``below``: some of each kind."""
    below = tmp_path / "below"
    (below / "replaced").mkdir(parents=True)
    (below / "replaced" / "old").write_text("old")
    (below / "gone").write_text("gone")
    root = tmp_path / "upper"
    (root / "dir" / "deep").mkdir(parents=True)
    (root / "dir" / "deep" / "file").write_bytes(b"content")
    (root / "dir" / "large").write_bytes(os.urandom(300_000) + bytes(3 << 20) + b"end")
    (root / "dir" / "holes").write_bytes(b"")
    os.truncate(root / "dir" / "holes", 5 << 20)
    os.link(root / "dir" / "large", root / "hard")
    os.symlink("dir/large", root / "link")
    os.link(root / "link", root / "link2", follow_symlinks=False)
    os.mkfifo(root / "fifo", 0o640)
    os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(root / "gone", stat.S_IFCHR, overlayfs.WHITEOUT)
    (root / "replaced").mkdir()
    (root / "replaced" / "new").write_text("new")
    os.setxattr(root / "replaced", overlayfs.OPAQUE, b"y")
    os.setxattr(root / "dir", "trusted.overlay.origin", b"x")
    os.setxattr(root / "dir" / "large", "user.mime", b"text/plain")
    os.setxattr(root / "hard", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    os.chown(root / "dir", 3_000_000, 4_000_000)
    os.chmod(root / "dir", 0o2775)
    os.chown(root / "link", 5, 6, follow_symlinks=False)
    (root / "suid").write_bytes(b"s")
    os.chown(root / "suid", 7, 8)
    os.chmod(root / "suid", 0o4711)
    (root / os.fsdecode(b"caf\xc3\xa9-\xff")).touch()
    (root / ("n" * 200)).touch()
    os.utime(root / "suid", ns=(1, 1_600_000_000_123_456_789))
    os.utime(root / "dir", ns=(1, -5_000_000_000))
    return root


async def test_the_copy_is_what_the_archive_unpacks_to(upper: Path, tmp_path: Path) -> None:
    archive, made = copied(upper, tmp_path / "copy")
    (tmp_path / "archive").write_bytes(archive)
    (tmp_path / "unpacked").mkdir()
    with (tmp_path / "archive").open("rb") as blob:
        unpacked = await unpack(blob, tmp_path / "unpacked", [tmp_path / "below"], Limits())
    assert described(tmp_path / "copy") == described(tmp_path / "unpacked")
    assert (made.size, made.inodes) == (unpacked.size, unpacked.inodes)
    assert os.stat(tmp_path / "copy" / "dir" / "holes").st_blocks == 0


def test_an_overlay_shows_the_copy_as_it_shows_the_layer(upper: Path, tmp_path: Path) -> None:
    copied(upper, tmp_path / "copy")
    (tmp_path / "merged").mkdir()
    overlayfs.mount_stack(tmp_path / "merged", [tmp_path / "copy", tmp_path / "below"])
    try:
        assert not (tmp_path / "merged" / "gone").exists()
        assert [path.name for path in (tmp_path / "merged" / "replaced").iterdir()] == ["new"]
    finally:
        mounts.unmount(tmp_path / "merged")


def test_deletions_and_their_order(upper: Path, tmp_path: Path) -> None:
    found = names(copied(upper, tmp_path / "copy")[0])
    assert found.index("replaced") + 1 == found.index("replaced/.wh..wh..opq") == found.index("replaced/new") - 1
    assert ".wh.gone" in found and "gone" not in found


def test_the_same_files_make_the_same_archive(upper: Path, tmp_path: Path) -> None:
    assert copied(upper, tmp_path / "one")[0] == copied(upper, tmp_path / "two")[0]


def test_what_is_left_out(tmp_path: Path) -> None:
    root = tmp_path / "upper"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "hosts").touch()
    (root / "etc" / "kept").touch()
    (root / ".wh.name").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        archive, made = copied(root, tmp_path / "copy", ("etc/hosts",))
    assert names(archive) == ["etc", "etc/kept"]
    assert sorted(described(tmp_path / "copy")) == ["etc", "etc/kept"]
    assert made.inodes == 2


def test_an_empty_layer(tmp_path: Path) -> None:
    (tmp_path / "upper").mkdir()
    archive, made = copied(tmp_path / "upper", tmp_path / "copy")
    assert archive == bytes(1024) and (made.size, made.inodes) == (0, 0)


def test_an_error_leaves_nothing_open(upper: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    source, made = (os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (upper, tmp_path / "copy"))
    before = len(os.listdir("/proc/self/fd"))
    seen = 0

    def write(data: bytes) -> None:
        nonlocal seen
        seen += len(data)
        if seen > 1 << 20:
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        treelayer.copy_layer(source, made, (), write)
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(source)
    os.close(made)
