"""The content store: verified, resumed, shared, cleared away."""

import asyncio
import os
from pathlib import Path

import pytest

from havre.errors import InvalidParameter, NotFound
from havre.image.blobs import BlobStore
from havre.image.digest import DigestMismatch
from havre.store.layout import Layout
from tests.unit.image.conftest import digest

DATA = b"0123456789" * 1000
DIGEST = digest(DATA)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "data", tmp_path / "run")
    layout.prepare()
    return layout


@pytest.fixture
def blobs(layout: Layout) -> BlobStore:
    return BlobStore(layout)


def age(path: Path) -> None:
    os.utime(path, (1, 1))


async def test_small_blobs(blobs: BlobStore) -> None:
    assert not blobs.exists(DIGEST)
    assert await blobs.add(DATA) == DIGEST
    assert await blobs.add(DATA, DIGEST) == DIGEST
    assert blobs.exists(DIGEST) and blobs.size(DIGEST) == len(DATA)
    with blobs.open(DIGEST) as file:
        assert file.read() == DATA
    assert blobs.read(DIGEST, len(DATA)) == DATA
    with pytest.raises(DigestMismatch, match="larger"):
        blobs.read(DIGEST, 10)


async def test_a_small_blob_that_is_another(blobs: BlobStore) -> None:
    with pytest.raises(DigestMismatch):
        await blobs.add(b"other", DIGEST)
    assert not blobs.exists(DIGEST)


async def test_sha512(blobs: BlobStore) -> None:
    import hashlib

    long = "sha512:" + hashlib.sha512(DATA).hexdigest()
    assert await blobs.add(DATA, long) == long
    assert blobs.read(long, 1 << 20) == DATA


@pytest.mark.parametrize("name", ["sha256:..", "../x", "sha256:" + "a" * 63 + "/", ""])
def test_no_path_but_of_a_digest(blobs: BlobStore, name: str) -> None:
    with pytest.raises(InvalidParameter):
        blobs.path(name)


def test_missing(blobs: BlobStore) -> None:
    with pytest.raises(NotFound):
        blobs.open(DIGEST)
    with pytest.raises(NotFound):
        blobs.size(DIGEST)
    assert blobs.delete(DIGEST) == 0


async def test_in_pieces(blobs: BlobStore, layout: Layout) -> None:
    async with blobs.partial(DIGEST) as partial:
        assert partial is not None and partial.offset == 0
        partial.write(DATA[:4000])
        partial.write(memoryview(DATA)[4000:])
        assert not blobs.exists(DIGEST)
        assert await blobs.commit(partial, len(DATA)) == DIGEST
    assert blobs.read(DIGEST, 1 << 20) == DATA
    assert list(layout.ingest.iterdir()) == []
    assert blobs.path(DIGEST).stat().st_mode & 0o777 == 0o600


async def test_resumed_by_the_next_daemon(blobs: BlobStore, layout: Layout) -> None:
    with pytest.raises(ConnectionError):
        async with blobs.partial(DIGEST) as partial:
            assert partial is not None
            partial.write(DATA[:5000])
            raise ConnectionError
    async with BlobStore(layout).partial(DIGEST) as partial:
        assert partial is not None and partial.offset == 5000
        partial.write(DATA[5000:])
        await blobs.commit(partial)
    assert blobs.read(DIGEST, 1 << 20) == DATA


async def test_content_that_does_not_fit_is_forgotten(blobs: BlobStore) -> None:
    async with blobs.partial(DIGEST) as partial:
        assert partial is not None
        partial.write(b"x" + DATA[1:])
        with pytest.raises(DigestMismatch):
            await blobs.commit(partial)
        assert partial.offset == 0
        partial.write(DATA[:-1])
        with pytest.raises(DigestMismatch, match="bytes"):
            await blobs.commit(partial, len(DATA))
        partial.write(DATA)
        await blobs.commit(partial)
    assert blobs.exists(DIGEST)


async def test_truncate_starts_over(blobs: BlobStore) -> None:
    async with blobs.partial(DIGEST) as partial:
        assert partial is not None
        partial.write(b"wrong")
        partial.truncate()
        partial.write(DATA)
        assert await blobs.commit(partial) == DIGEST


async def test_writers_of_one_blob_wait_for_each_other(blobs: BlobStore) -> None:
    order: list[str] = []

    async def first() -> None:
        async with blobs.partial(DIGEST) as partial:
            assert partial is not None
            order.append("first")
            await asyncio.sleep(0.02)
            partial.write(DATA)
            await blobs.commit(partial)

    async def second() -> None:
        await asyncio.sleep(0.01)
        async with blobs.partial(DIGEST) as partial:
            assert partial is None
            order.append("second")

    await asyncio.gather(first(), second())
    assert order == ["first", "second"]


async def test_the_same_small_blob_from_several_sides(blobs: BlobStore) -> None:
    assert await asyncio.gather(*(blobs.add(DATA) for _ in range(20))) == [DIGEST] * 20
    assert blobs.read(DIGEST, 1 << 20) == DATA


async def test_many_writers_take_turns(blobs: BlobStore) -> None:
    inside = 0

    async def write(number: int) -> None:
        nonlocal inside
        async with blobs.partial(DIGEST) as partial:
            inside += 1
            assert inside == 1 and partial is not None
            await asyncio.sleep(0.001 * (number % 3))
            inside -= 1

    await asyncio.gather(*(write(number) for number in range(20)))


async def test_staged(blobs: BlobStore, layout: Layout) -> None:
    staged = blobs.stage()
    staged.write(DATA)
    staged.close()
    await blobs.adopt(staged.path, staged.digest)
    await blobs.adopt(staged.path, staged.digest)
    staged.discard()
    assert blobs.read(DIGEST, 1 << 20) == DATA
    blobs.stage().discard()
    assert list(layout.ingest.iterdir()) == []


async def test_what_is_cleared_away(blobs: BlobStore, layout: Layout) -> None:
    used, unused, fresh = [await blobs.add(text) for text in (b"used", b"unused", b"fresh")]
    for each in (used, unused):
        age(blobs.path(each))
    assert blobs.unused({used}, 3600) == [(unused, 6)]
    blobs.touch(unused)
    assert blobs.unused({used}, 3600) == []
    assert {name for name, _ in blobs.unused({used}, 0)} == {unused, fresh}

    staged = blobs.stage()
    async with blobs.partial(DIGEST) as partial:
        assert partial is not None
        partial.write(b"half")
    blobs.drop_staged()
    assert not staged.path.exists()
    assert [path.name for path in layout.ingest.iterdir()] == [DIGEST.replace(":", "-")]
