"""Trees as archives: what is in them, and what nobody who changes the tree meanwhile can bring into them."""

import io
import os
import socket
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from havre.kernel import mounts, treetar, views

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def _archive(path: Path, name: str = "t", hidden: frozenset[int] = frozenset()) -> bytes:
    chunks: list[bytes] = []
    _stream(path, name, chunks.append, hidden)
    return b"".join(chunks)


def _stream(path: Path, name: str, write: Callable[[bytes], None], hidden: frozenset[int] = frozenset()) -> None:
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        treetar.archive(fd, name.encode(), hidden, write)
    finally:
        os.close(fd)


def _members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        return {info.name: info for info in tar}


def _content(data: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "inner").write_bytes(b"inner")
    (root / "file").write_bytes(b"hello")
    (root / "file").chmod(0o4750)
    os.link(root / "file", root / "hard")
    (root / "link").symlink_to("sub/inner")
    os.mkfifo(root / "fifo")
    os.utime(root / "file", (1, 1_600_000_000.75))
    return root


def test_every_kind_in_go_s_order(tree: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "socket"))
        data = _archive(tree)
    found = _members(data)
    assert list(found) == ["t", "t/fifo", "t/file", "t/hard", "t/link", "t/sub", "t/sub/inner"]
    assert [found[name].type for name in found] == [b"5", b"6", b"0", b"1", b"2", b"5", b"0"]
    assert found["t/hard"].linkname == "t/file"
    assert found["t/link"].linkname == "sub/inner"
    assert (found["t/file"].mode, found["t/file"].mtime) == (0o4750, 1_600_000_000)
    assert found["t/file"].uid == os.geteuid()
    assert _content(data, "t/file") == b"hello"
    assert data[:3] == b"t/\0", "a directory's name ends with a slash"
    assert len(data) % 512 == 0 and data.endswith(bytes(1024))


@pytest.mark.parametrize(
    ("name", "first", "child"), [(".", b"./\0", "./file"), ("", b"/\0", "/file"), ("x", b"x/\0", "x/file")]
)
def test_entries_begin_with_the_name_asked_for(tree: Path, name: str, first: bytes, child: str) -> None:
    data = _archive(tree, name)
    assert data.startswith(first)
    assert child in _members(data)


def test_single_things(tree: Path) -> None:
    assert _content(_archive(tree / "file", "renamed"), "renamed") == b"hello"
    link = _members(_archive(tree / "link", "l"))["l"]
    assert (link.type, link.linkname) == (b"2", "sub/inner")
    assert _members(_archive(tree / "fifo", "f"))["f"].isfifo()


@needs_root
def test_devices_are_named_and_never_opened(tmp_path: Path) -> None:
    # Major 42 is reserved for demonstration: opening it would fail.
    os.mknod(tmp_path / "char", stat.S_IFCHR | 0o640, os.makedev(42, 7))
    os.mknod(tmp_path / "block", stat.S_IFBLK | 0o600, os.makedev(42, 300))
    found = _members(_archive(tmp_path))
    assert (found["t/char"].type, found["t/char"].devmajor, found["t/char"].devminor) == (b"3", 42, 7)
    assert (found["t/block"].type, found["t/block"].devminor) == (b"4", 300)


@needs_root
def test_attributes_of_the_file_are_kept(tmp_path: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    (tmp_path / "f").write_bytes(b"x")
    os.setxattr(tmp_path / "f", "security.capability", capability)
    os.setxattr(tmp_path / "f", "user.note", b"a\0b")
    os.setxattr(tmp_path / "f", "user.a=b", b"no archive can say this name")
    os.setxattr(tmp_path / "f", "trusted.mine", b"t")
    os.setxattr(tmp_path, "user.dir", b"d")
    data = _archive(tmp_path)
    assert b"SCHILY.xattr.security.capability=" + capability in data
    assert b"SCHILY.xattr.user.note=a\0b\n" in data
    assert _members(data)["t"].pax_headers["SCHILY.xattr.user.dir"] == "d"
    assert b"trusted" not in data and b"user.a" not in data


def test_names_of_any_length_and_bytes(tmp_path: Path) -> None:
    names = [b"n" * 255, b"\xff\xfe", "żółć".encode(), b"with space", b"new\nline"]
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    found = _members(_archive(tmp_path))
    assert sorted(os.fsencode(name)[2:] for name in found if name != "t") == sorted(names)


def test_deep_trees_take_few_descriptors(tmp_path: Path) -> None:
    deep = tmp_path
    depth = 300
    for level in range(depth):
        deep = deep / f"{level % 7}"
        deep.mkdir()
        (deep / "z").write_bytes(b"%d" % level)
    most = 0

    def watch(_: bytes) -> None:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")))

    before = len(os.listdir("/proc/self/fd"))
    _stream(tmp_path, "t", watch)
    assert most - before < 80
    assert len(os.listdir("/proc/self/fd")) == before
    data = _archive(tmp_path)
    assert sum(name.endswith("/z") for name in _members(data)) == depth


def test_large_files_come_in_bounded_chunks(tmp_path: Path) -> None:
    content = os.urandom(5_000_001)
    (tmp_path / "large").write_bytes(content)
    (tmp_path / "small").write_bytes(b"after")
    chunks: list[bytes] = []
    _stream(tmp_path, "t", chunks.append)
    assert max(map(len, chunks)) <= 1 << 20
    assert _content(b"".join(chunks), "t/large") == content
    assert _content(b"".join(chunks), "t/small") == b"after"


def test_a_file_that_shrinks_is_filled_up_and_one_that_grows_is_cut(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 3_000_000)
    (tmp_path / "b").write_bytes(b"b" * 3_000_000)
    chunks: list[bytes] = []

    def write(chunk: bytes) -> None:
        chunks.append(chunk)
        if chunk[:1] == b"a":
            os.truncate(tmp_path / "a", 100_000)
        elif chunk[:1] == b"b":
            os.truncate(tmp_path / "b", 9_000_000)

    _stream(tmp_path, "t", write)
    data = b"".join(chunks)
    assert _content(data, "t/a").rstrip(b"\0") == b"a" * (1 << 20)
    assert _content(data, "t/b") == b"b" * 3_000_000


def test_what_vanishes_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 1_000_000)
    for name in ("b", "c"):
        (tmp_path / name).write_bytes(b"x")
    chunks: list[bytes] = []

    def write(chunk: bytes) -> None:
        chunks.append(chunk)
        (tmp_path / "b").unlink(missing_ok=True)

    _stream(tmp_path, "t", write)
    assert list(_members(b"".join(chunks))) == ["t", "t/a", "t/c"]


@needs_root
def test_hidden_mounts_look_empty(tmp_path: Path) -> None:
    for name in ("pseudo", "volume"):
        (tmp_path / name).mkdir()
        mounts.mount("tmpfs", tmp_path / name, "tmpfs")
    try:
        for name in ("pseudo", "volume"):
            (tmp_path / name / "inside").touch()
        fd = os.open(tmp_path / "pseudo", os.O_PATH)
        hidden = frozenset({views.mount_id(fd)})
        os.close(fd)
        assert list(_members(_archive(tmp_path, hidden=hidden))) == ["t", "t/pseudo", "t/volume", "t/volume/inside"]
        assert list(_members(_archive(tmp_path / "pseudo", hidden=hidden))) == ["t"]
    finally:
        for name in ("pseudo", "volume"):
            mounts.unmount(tmp_path / name)


def test_an_error_of_the_writer_ends_the_walk_and_closes_all(tree: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))

    def fail(_: bytes) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        _stream(tree, "t", fail)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def swapping(tmp_path: Path) -> Iterator[Path]:
    """A tree in which another thread keeps exchanging a directory, and a file, for links that lead out of it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "name").write_bytes(b"secret")
    tree = tmp_path / "tree"
    (tree / "dir").mkdir(parents=True)
    (tree / "dir" / "name").write_bytes(b"public")
    (tree / "file").write_bytes(b"public")
    (tree / "link").symlink_to(outside)
    (tree / "filelink").symlink_to(outside / "name")
    os.mkfifo(tree / "fifo")
    ending = threading.Event()

    def swap() -> None:
        while not ending.is_set():
            for one, other in (("dir", "link"), ("file", "filelink"), ("file", "fifo")):
                (tree / one).rename(tree / "aside")
                (tree / other).rename(tree / one)
                (tree / one).rename(tree / other)
                (tree / "aside").rename(tree / one)

    thread = threading.Thread(target=swap)
    thread.start()
    yield tree
    ending.set()
    thread.join()


def test_a_race_does_not_lead_out(swapping: Path) -> None:
    seen: set[bytes] = set()
    for _ in range(400):
        data = _archive(swapping)
        assert b"secret" not in data
        seen.update(info.type for name, info in _members(data).items() if name in ("t/dir", "t/file"))
    assert seen >= {b"5", b"2"}, "the race was not run"
