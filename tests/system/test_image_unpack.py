"""Layers become files, exactly: through the real child process, with root."""

import asyncio
import bz2
import gzip
import hashlib
import lzma
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from havre.errors import InvalidParameter
from havre.kernel.unpack import Limits, unpack
from tests.system.layers import BASE, Layers, directory, file, hard, layers, link, mode, owner, special, tar

__all__ = ["layers"]

pytestmark = pytest.mark.system


EVERYTHING = [
    directory("./", mode=0o750, uid=5, mtime=1000),
    directory("d", mode=0o1777, uid=1000, gid=1001, mtime=1_600_000_000),
    file("d/plain", b"content", mode=0o640, uid=1000, gid=1001, mtime=1_500_000_000),
    file("d/setuid", b"#!/bin/sh", mode=0o6755, uid=1000, mtime=1),
    file("d/empty", mtime=2**33),
    file("d/big", bytes(range(256)) * 20_000),
    link("d/link", "plain", uid=7, gid=8, mtime=77),
    link("d/dangling", "/nowhere/at/all"),
    hard("d/hard", "d/plain"),
    special("d/null", tarfile.CHRTYPE, 1, 3, mode=0o666, uid=3),
    special("d/loop", tarfile.BLKTYPE, 7, 300),
    special("d/fifo", tarfile.FIFOTYPE, mode=0o622, mtime=5),
    file("d/" + "long name " * 20, b"long"),
    file("d/ümläut", b"u"),
]


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
async def test_every_kind_of_entry(layers: Layers, format: int) -> None:
    data = tar(*EVERYTHING, format=format)
    root = await layers.unpack(data)
    d = root / "d"
    assert (mode(root), owner(root), root.stat().st_mtime) == (0o750, (5, 0), 1000)
    assert (mode(d), owner(d), d.stat().st_mtime) == (0o1777, (1000, 1001), 1_600_000_000)
    plain = d / "plain"
    assert (plain.read_bytes(), mode(plain), owner(plain)) == (b"content", 0o640, (1000, 1001))
    assert plain.stat().st_mtime == 1_500_000_000
    assert (mode(d / "setuid"), owner(d / "setuid")) == (0o6755, (1000, 0))
    assert (d / "empty").stat().st_mtime == 2**33
    assert (d / "big").read_bytes() == bytes(range(256)) * 20_000
    assert (os.readlink(d / "link"), owner(d / "link"), (d / "link").lstat().st_mtime) == ("plain", (7, 8), 77)
    assert os.readlink(d / "dangling") == "/nowhere/at/all"
    assert (d / "hard").stat().st_ino == plain.stat().st_ino
    null, loop, fifo = (d / name for name in ("null", "loop", "fifo"))
    assert stat.S_ISCHR(null.stat().st_mode) and null.stat().st_rdev == os.makedev(1, 3)
    assert (mode(null), owner(null)) == (0o666, (3, 0))
    assert stat.S_ISBLK(loop.stat().st_mode) and loop.stat().st_rdev == os.makedev(7, 300)
    assert stat.S_ISFIFO(fifo.stat().st_mode) and (mode(fifo), fifo.stat().st_mtime) == (0o622, 5)
    assert (d / ("long name " * 20)).read_bytes() == b"long"
    assert (d / "ümläut").read_bytes() == b"u"
    assert layers.last.diff_id == "sha256:" + hashlib.sha256(data).hexdigest()
    contents = sum(len(member.get("data", b"")) for member in EVERYTHING)
    assert layers.last.size == contents + len("plain") + len("/nowhere/at/all")


@pytest.mark.parametrize("wrap", [gzip.compress, bz2.compress, lzma.compress, "zstd", "gzip twice", "zeroes"])
async def test_compressed(layers: Layers, wrap: Callable[[bytes], bytes] | str) -> None:
    data = tar(*EVERYTHING)
    if wrap == "zstd":
        packed = subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout
    elif wrap == "gzip twice":
        packed = gzip.compress(data[:5000]) + gzip.compress(data[5000:])
    elif wrap == "zeroes":
        packed = gzip.compress(data) + bytes(1000)
    else:
        assert callable(wrap)
        packed = wrap(data)
    root = await layers.unpack(packed)
    assert layers.last.diff_id == "sha256:" + hashlib.sha256(data).hexdigest()
    assert (root / "d/plain").read_bytes() == b"content"


async def test_what_follows_the_archive_counts_for_its_digest(layers: Layers) -> None:
    for data in (tar(file("a")) + bytes(100_000), tar(file("a"))[:1024], b""):
        await layers.unpack(data, keep=False)
        assert layers.last.diff_id == "sha256:" + hashlib.sha256(data).hexdigest()


async def test_progress(layers: Layers, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    data = tar(*(file(str(number), os.urandom(5 << 20)) for number in range(3)))
    (tmp_path / "archive").write_bytes(data)
    heard: list[int] = []
    with (tmp_path / "archive").open("rb") as blob:
        await unpack(blob, target, [], Limits(), heard.append)
    assert heard and heard == sorted(heard) and heard[-1] <= len(data)


async def test_extended_attributes(layers: Layers) -> None:
    capability = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    root = await layers.unpack(
        tar(
            file("ping", b"x", mode=0o755, uid=1, xattrs={"security.capability": capability, "user.note": "ü"}),
            directory("d", xattrs={"user.dir": "1"}),
        )
    )
    assert os.getxattr(root / "ping", "security.capability") == capability.encode("latin-1")
    assert os.getxattr(root / "ping", "user.note") == "ü".encode()
    assert os.getxattr(root / "d", "user.dir") == b"1"


async def test_a_layer_cannot_steer_overlayfs(layers: Layers) -> None:
    own = {
        "trusted.overlay.redirect": "/etc",
        "trusted.overlay.opaque": "y",
        "trusted.overlay.metacopy": "",
        "user.a": "1",
    }
    root = await layers.unpack(tar(directory("d", xattrs=own), file("f", xattrs=own)))
    assert os.listxattr(root / "d") == os.listxattr(root / "f") == ["user.a"]


async def test_attributes_the_file_system_lacks_are_passed_over(layers: Layers) -> None:
    root = await layers.unpack(
        tar(file("f", b"1", xattrs={"nonsense.a": "1", "user.b": "2"}), link("l", "f", xattrs={"user.c": "3"}))
    )
    assert os.listxattr(root / "f") == ["user.b"]


async def test_setgid_directories_and_default_acls_do_not_leak_into_files(layers: Layers) -> None:
    root = await layers.unpack(tar(directory("d", mode=0o2775, gid=1000), file("d/f", mode=0o600), directory("d/e")))
    assert (owner(root / "d/f"), mode(root / "d/f")) == ((0, 0), 0o600)
    assert (owner(root / "d/e"), mode(root / "d/e")) == ((0, 0), 0o755)


async def test_sparse_files(layers: Layers, tmp_path: Path) -> None:
    holes = tmp_path / "holes"
    with holes.open("wb") as writer:
        for offset, data in ((1 << 20, b"one"), (5 << 20, b"two")):
            writer.seek(offset)
            writer.write(data)
        writer.truncate(8 << 20)
    for options in (
        ["--format=gnu"],
        ["--format=pax"],
        ["--format=pax", "--sparse-version=0.1"],
        ["--format=pax", "--sparse-version=0.0"],
    ):
        packed = subprocess.run(
            ["tar", "-cSf", "-", *options, "-C", tmp_path, "holes"], capture_output=True, check=True
        )
        root = await layers.unpack(packed.stdout, keep=False)
        assert (root / "holes").read_bytes() == holes.read_bytes()
        assert (root / "holes").stat().st_blocks < 200
        assert layers.last.size == 8 << 20


async def test_later_entries_replace_earlier_ones(layers: Layers) -> None:
    root = await layers.unpack(
        tar(
            file("a", b"1"), file("a", b"2"),
            directory("b"), file("b/c", b"x"), directory("b/d"), file("b", b"now a file"),
            file("c", b"x"), directory("c"), file("c/d", b"inside"),
            link("e", "a"), file("e", b"no link"),
            link("f", "c"), directory("f"),
            directory("g", mode=0o700), file("g/h", b"kept"), directory("g", mode=0o755),
        )
    )  # fmt: skip
    assert (root / "a").read_bytes() == b"2"
    assert (root / "b").read_bytes() == b"now a file"
    assert (root / "c/d").read_bytes() == b"inside"
    assert (root / "e").read_bytes() == b"no link" and not (root / "e").is_symlink()
    assert (root / "f").is_dir() and not (root / "f").is_symlink()
    assert (root / "g/h").read_bytes() == b"kept" and mode(root / "g") == 0o755


async def test_links_within_a_layer_are_followed_as_directories(layers: Layers) -> None:
    root = await layers.unpack(
        tar(
            directory("usr"),
            directory("usr/bin"),
            link("bin", "usr/bin"),
            file("bin/sh", b"1"),
            link("abs", "/usr"),
            file("abs/x", b"2"),
        )
    )
    assert (root / "usr/bin/sh").read_bytes() == b"1"
    assert (root / "usr/x").read_bytes() == b"2"
    assert (root / "bin").is_symlink()


# -- the child --------------------------------------------------------------------------------------------------------


async def test_limits(layers: Layers) -> None:
    data = tar(*(file(str(number), b"12345") for number in range(10)))
    await layers.unpack(data, Limits(entries=10, size=50))
    for limits, message in ((Limits(9, 50), "more than 9 entries"), (Limits(10, 49), "larger than 49 bytes")):
        with pytest.raises(InvalidParameter, match=message):
            await layers.attempt(data, limits)


async def test_a_sparse_bomb_is_measured_by_what_it_pretends_to_be(layers: Layers) -> None:
    bomb = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)}
    member = file("bomb", b"0\n".ljust(512, b"\0"), pax_headers=bomb)
    with pytest.raises(InvalidParameter, match="larger than"):
        await layers.attempt(tar(member))


async def test_a_bomb_stops_at_the_limit(layers: Layers) -> None:
    packed = gzip.compress(tar(file("zeroes", bytes(64 << 20))))
    with pytest.raises(InvalidParameter, match="larger than"):
        await layers.attempt(packed, Limits(size=1 << 20))


async def test_cancelled_it_ends_the_child(layers: Layers, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless")
    writer = os.open(tmp_path / "endless", os.O_RDWR)  # keeps the pipe open, so that the child waits for ever
    target = tmp_path / "target"
    target.mkdir()
    with (tmp_path / "endless").open("rb", buffering=0) as blob:
        task = asyncio.create_task(unpack(blob, target, [], Limits()))
        while not children(str(target)):  # noqa: ASYNC110 - there is nothing to be told by
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
    os.close(writer)
    assert task.cancelled() and not children(str(target))


async def test_the_child_does_not_outlive_the_daemon(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless")
    writer = os.open(tmp_path / "endless", os.O_RDWR)
    target = tmp_path / "target"
    target.mkdir()
    program = (
        "import asyncio, sys; from pathlib import Path; from havre.kernel.unpack import Limits, unpack;"
        "asyncio.run(unpack(open(sys.argv[1], 'rb', buffering=0), Path(sys.argv[2]), [], Limits()))"
    )
    daemon = subprocess.Popen([sys.executable, "-c", program, tmp_path / "endless", target])
    while len(children(str(target))) < 2:  # noqa: ASYNC110 - the daemon has the target among its words as well
        await asyncio.sleep(0.01)
    daemon.kill()
    daemon.wait()
    while children(str(target)):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    os.close(writer)


def children(word: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in process.read_bytes().split(b"\0"):
                found.append(process.parent.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


async def test_no_mount_is_left(layers: Layers, tmp_path: Path) -> None:
    await layers.unpack(tar(*BASE))
    await layers.unpack(tar(file("etc/x")))
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
