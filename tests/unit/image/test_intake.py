"""Archives on their way in: any compression, any size of chunks, senders that stop in the middle."""

import asyncio
import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import AsyncIterator, Callable

import pytest

from havre.errors import InvalidParameter
from havre.image import intake
from tests.unit.image.conftest import Room, chunked, digest, tar

FILES = {"a": b"x" * 70_000, "d/b": b"", "d/c": b"y" * 512}


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("size", [1, 511, 512, 100_000])
async def test_files(room: Room, wrap: Callable[[bytes], bytes], size: int) -> None:
    async with intake.files(chunked(wrap(tar(FILES)), size), room.blobs) as archive:
        assert len(archive) == 3
        for name, data in FILES.items():
            file = archive.find(name)
            assert file is not None
            assert (file.digest, file.size, file.read(1 << 20)) == (digest(data), len(data), data)
    assert room.ingesting() == []


async def test_names_are_cleaned_and_links_followed(room: Room) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, link, data in [
            ("./one/layer.tar", tarfile.REGTYPE, "", b"1"),
            ("two", tarfile.DIRTYPE, "", b""),
            ("two/layer.tar", tarfile.SYMTYPE, "../one/layer.tar", b""),
            ("three", tarfile.LNKTYPE, "./one/layer.tar", b""),
            ("loop", tarfile.SYMTYPE, "loop", b""),
            ("out", tarfile.SYMTYPE, "/etc/passwd", b""),
            ("twice", tarfile.REGTYPE, "", b"old"),
            ("twice", tarfile.REGTYPE, "", b"new"),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(data)
            archive.addfile(info, io.BytesIO(data))
    async with intake.files(chunked(buffer.getvalue()), room.blobs) as archive:
        found = [archive.find(name) for name in ("one/layer.tar", "two/layer.tar", "three")]
        assert [file.read(9) for file in found if file] == [b"1", b"1", b"1"]
        assert archive.find("loop") is None and archive.find("out") is None and archive.find("nothing") is None
        assert (file := archive.find("twice")) and file.read(9) == b"new"


async def test_a_single_file(room: Room) -> None:
    async with intake.single(chunked(gzip.compress(b"data" * 9999)), room.blobs) as file:
        assert (file.digest, file.size) == (digest(b"data" * 9999), 4 * 9999)
        await room.blobs.adopt(file.path, file.digest)
    assert room.blobs.exists(digest(b"data" * 9999))
    assert room.ingesting() == []


@pytest.mark.parametrize(
    "data",
    [
        b"garbage" * 1000,
        tar(FILES)[:-30_000],
        gzip.compress(tar(FILES))[:-20],
        gzip.compress(tar(FILES)) + b"and more",
        tar({"../out": b""}),
    ],
)
async def test_damage(room: Room, data: bytes) -> None:
    with pytest.raises(InvalidParameter):
        async with intake.files(chunked(data), room.blobs):
            raise AssertionError("taken in")
    assert room.ingesting() == []


async def test_the_sender_breaks_off(room: Room) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield tar(FILES)[:40_000]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        async with intake.files(broken(), room.blobs):
            raise AssertionError("taken in")
    assert room.ingesting() == []


async def test_the_sender_is_cancelled(room: Room) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield tar(FILES)[:40_000]
        await asyncio.Event().wait()

    async def receive() -> None:
        async with intake.files(stuck(), room.blobs):
            raise AssertionError("taken in")

    task = asyncio.create_task(receive())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert room.ingesting() == []


async def test_a_reader_that_fails_stops_the_sender(room: Room) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"garbage!" * 128

    with pytest.raises(InvalidParameter):
        async with intake.files(endless(), room.blobs):
            raise AssertionError("taken in")
    assert sent < 100
