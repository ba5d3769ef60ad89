"""What every content storage does with large and interrupted uploads, and with files it is given."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from havre.errors import Unavailable
from havre.registry.storage import ContentStorage
from havre.registry.storages.s3 import SEGMENT, S3Storage
from tests.contract.conftest import Made
from tests.registry.s3server import S3Server

LARGE = os.urandom(2 * SEGMENT + 12_345)


def digest(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


async def upload(storage: ContentStorage, name: str, data: bytes, piece: int = 1 << 20) -> None:
    await storage.begin(name)
    for start in range(0, len(data), piece):
        await storage.write(name, start, [data[start : start + piece]])


async def put(storage: ContentStorage, data: bytes, name: str = "1a") -> str:
    await upload(storage, name, data)
    await storage.commit(name, digest(data))
    await storage.drop(name)
    return digest(data)


async def content(storage: ContentStorage, name: str, start: int = 0, length: int | None = None) -> bytes | None:
    found = await storage.open(name)
    if found is None:
        return None
    length = found.size - start if length is None else length
    data = b"".join([piece async for piece in found.chunks(start, length)])
    await found.close()
    return data


async def uploaded(storage: ContentStorage, name: str) -> bytes:
    return b"".join([piece async for piece in storage.read(name)])


@pytest.mark.parametrize("data", [b"", b"small", LARGE[: 2 * SEGMENT], LARGE], ids=["empty", "small", "even", "odd"])
async def test_what_was_committed_is_there(storage: ContentStorage, data: bytes) -> None:
    assert await content(storage, digest(data)) is None
    name = await put(storage, data)
    assert await content(storage, name) == data
    assert await storage.size(name) == len(data)
    assert await storage.offset("1a") is None
    assert [(found, size) async for found, size, _ in storage.contents()] == [(name, len(data))]
    assert [each async for each in storage.uploads()] == []


async def test_parts_are_read(storage: ContentStorage) -> None:
    name = await put(storage, LARGE)
    assert await content(storage, name, SEGMENT - 5, 10) == LARGE[SEGMENT - 5 : SEGMENT + 5]
    assert await content(storage, name, len(LARGE) - 3) == LARGE[-3:]
    assert await content(storage, name, 7, 0) == b""


async def test_sha512_is_kept_apart(storage: ContentStorage) -> None:
    await upload(storage, "2b", b"data")
    await storage.commit("2b", digest(b"data", "sha512"))
    assert await content(storage, digest(b"data", "sha512")) == b"data"
    assert await content(storage, digest(b"data")) is None


async def test_an_upload_outlives_its_process(made: Made) -> None:
    await upload(await made.storage(), "3c", LARGE[:-1000], 3_000_000)
    again = await made.storage()
    assert await again.offset("3c") == len(LARGE) - 1000
    assert await uploaded(again, "3c") == LARGE[:-1000]
    await again.write("3c", len(LARGE) - 1000, [LARGE[-1000:-10], LARGE[-10:]])
    assert await uploaded(again, "3c") == LARGE
    await again.commit("3c", digest(LARGE))
    assert await content(again, digest(LARGE)) == LARGE


@pytest.mark.parametrize("keep", [0, 1000, SEGMENT, SEGMENT + 1, 2 * SEGMENT + 12_000])
async def test_what_is_behind_an_offset_is_forgotten(made: Made, keep: int) -> None:
    storage = await made.storage()
    await upload(storage, "4d", LARGE)
    await storage.truncate("4d", keep)
    for each in (storage, await made.storage()):
        assert await each.offset("4d") == keep
        assert await uploaded(each, "4d") == LARGE[:keep]
    await storage.write("4d", keep, [b"other"])
    assert await uploaded(storage, "4d") == LARGE[:keep] + b"other"


async def test_a_commit_may_be_repeated_after_a_crash(made: Made) -> None:
    storage = await made.storage()
    await upload(storage, "5e", b"data")
    await storage.commit("5e", digest(b"data"))
    again = await made.storage()
    await again.commit("5e", digest(b"data"))
    await again.drop("5e")
    assert await content(again, digest(b"data")) == b"data"


async def test_an_upload_that_is_dropped_is_gone(storage: ContentStorage) -> None:
    await upload(storage, "6f", LARGE)
    before = time.time()
    assert [name async for name, touched in storage.uploads() if abs(touched - before) < 600] == ["6f"]
    await storage.drop("6f")
    await storage.drop("6f")
    assert await storage.offset("6f") is None
    assert [each async for each in storage.uploads()] == []


@pytest.mark.parametrize("data", [b"", b"small", LARGE], ids=["empty", "small", "large"])
async def test_files_are_adopted(storage: ContentStorage, data: bytes, tmp_path: Path) -> None:
    for _ in range(2):
        file = tmp_path / "file"
        file.write_bytes(data)
        await storage.adopt(file, digest(data))
        assert await content(storage, digest(data)) == data


async def test_a_store_that_is_away_is_told_of(tmp_path: Path, s3_server: S3Server) -> None:
    storage = S3Storage(s3_server.settings(endpoint="http://127.0.0.1:1"), tmp_path)
    with pytest.raises(Unavailable, match="storage: bucket"):
        await storage.start()
    await storage.close()
    missing = S3Storage(s3_server.settings(bucket="missing"), tmp_path)
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        await missing.start()
    await missing.close()


def test_the_library_is_loaded_only_with_a_bucket() -> None:
    script = "import sys, havre.registry.serve; sys.exit('aiobotocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
