"""What every ``ContentStorage`` keeps to: the registry knows nothing else of where blobs lie."""

import asyncio
import contextlib
import os

import pytest

from havre.image.digest import of
from havre.registry.errors import UploadInvalid
from havre.registry.storage import ContentStorage

DATA = os.urandom(3_000_000)


async def put(storage: ContentStorage, data: bytes, upload: str = "0a") -> str:
    await storage.begin(upload)
    await storage.write(upload, 0, [data])
    await storage.commit(upload, of(data))
    await storage.drop(upload)
    return of(data)


async def read(storage: ContentStorage, digest: str, start: int = 0, length: int | None = None) -> bytes | None:
    content = await storage.open(digest)
    if content is None:
        return None
    try:
        wanted = content.size - start if length is None else length
        async with contextlib.aclosing(content.chunks(start, wanted)) as chunks:
            pieces = [piece async for piece in chunks]
        assert all(0 < len(piece) <= 1 << 20 for piece in pieces)
        return b"".join(pieces)
    finally:
        await content.close()


async def test_a_blob_is_found_once_it_is_committed(storage: ContentStorage) -> None:
    digest = of(DATA)
    await storage.begin("0a")
    await storage.write("0a", 0, [DATA[:10], DATA[10:1_000_000]])
    await storage.write("0a", 1_000_000, [DATA[1_000_000:]])
    assert await storage.open(digest) is None and await storage.size(digest) is None
    await storage.commit("0a", digest)
    assert await storage.size(digest) == len(DATA)
    assert await read(storage, digest) == DATA
    await storage.drop("0a")
    assert await read(storage, digest) == DATA
    assert await storage.offset("0a") is None


@pytest.mark.parametrize(("start", "length"), [(0, 1), (5, 0), (1_048_570, 20), (2_999_999, 1), (0, 3_000_000)])
async def test_parts_of_a_blob(storage: ContentStorage, start: int, length: int) -> None:
    digest = await put(storage, DATA)
    assert await read(storage, digest, start, length) == DATA[start : start + length]


async def test_an_empty_blob(storage: ContentStorage) -> None:
    await storage.begin("0a")
    await storage.commit("0a", of(b""))
    assert await storage.size(of(b"")) == 0
    assert await read(storage, of(b"")) == b""


async def test_an_upload_says_how_far_it_has_come(storage: ContentStorage) -> None:
    assert await storage.offset("0a") is None
    await storage.begin("0a")
    assert await storage.offset("0a") == 0
    await storage.write("0a", 0, [b"one", b"two"])
    assert await storage.offset("0a") == 6
    await storage.truncate("0a", 4)
    assert await storage.offset("0a") == 4
    await storage.write("0a", 4, [b"!"])
    assert b"".join([piece async for piece in storage.read("0a")]) == b"onet!"
    assert [name async for name, _ in storage.uploads()] == ["0a"]
    await storage.drop("0a")
    await storage.drop("0a")
    assert [name async for name, _ in storage.uploads()] == []


async def test_a_blob_that_is_there_stays_as_it_is(storage: ContentStorage) -> None:
    digest = await put(storage, DATA, "0a")
    await storage.begin("0b")
    await storage.write("0b", 0, [DATA])
    await storage.commit("0b", digest)
    await storage.drop("0b")
    assert await read(storage, digest) == DATA


async def test_a_commit_can_be_made_again(storage: ContentStorage) -> None:
    """A crash between the commit and what comes after it."""
    await storage.begin("0a")
    await storage.write("0a", 0, [b"content"])
    await storage.commit("0a", of(b"content"))
    await storage.commit("0a", of(b"content"))
    assert await read(storage, of(b"content")) == b"content"


async def test_what_is_committed_cannot_be_changed_through_its_upload(storage: ContentStorage) -> None:
    await storage.begin("0a")
    await storage.write("0a", 0, [b"content"])
    await storage.commit("0a", of(b"content"))
    for change in (storage.write("0a", 7, [b" and more"]), storage.write("0a", 0, [b"X"]), storage.truncate("0a", 3)):
        with contextlib.suppress(UploadInvalid, FileNotFoundError):
            await change
    assert await read(storage, of(b"content")) == b"content"


async def test_what_is_deleted_is_gone(storage: ContentStorage) -> None:
    digest = await put(storage, DATA)
    assert await storage.delete(digest) == len(DATA)
    assert await storage.delete(digest) == 0
    assert await storage.open(digest) is None


async def test_who_reads_goes_on_after_the_deletion_or_is_told(storage: ContentStorage) -> None:
    digest = await put(storage, DATA)
    content = await storage.open(digest)
    assert content is not None
    await storage.delete(digest)
    try:
        found = b"".join([piece async for piece in content.chunks(0, content.size)])
    except Exception:
        return
    finally:
        await content.close()
    assert found == DATA


async def test_all_blobs_are_listed(storage: ContentStorage) -> None:
    digests = {await put(storage, bytes([number]) * 100, f"{number:02x}") for number in range(5)}
    assert {(digest, size) async for digest, size, _ in storage.contents()} == {(digest, 100) for digest in digests}


async def test_many_at_once(storage: ContentStorage) -> None:
    blobs = [os.urandom(300_000) for _ in range(8)]
    digests = await asyncio.gather(*(put(storage, data, f"{number:02x}") for number, data in enumerate(blobs)))
    assert [await read(storage, digest) for digest in digests] == blobs


async def test_a_blob_that_has_lost_bytes_is_replaced(storage: ContentStorage) -> None:
    """Under a wrong name, it has the wrong size as if it had lost some."""
    digest = of(DATA)
    await storage.begin("0b")
    await storage.write("0b", 0, [DATA[:100]])
    await storage.commit("0b", digest)
    await storage.drop("0b")
    assert await put(storage, DATA) == digest
    assert await read(storage, digest) == DATA
