"""Contexts of one build: small ones in memory, others on the disk, and what is left of either."""

import gzip
import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from havre.builder import contexts
from havre.errors import InvalidParameter

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts")

_MIB = 1 << 20


def archive(*sizes: int) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for number, size in enumerate(sizes):
            info = tarfile.TarInfo(f"f{number}")
            info.size = size
            tar.addfile(info, io.BytesIO(bytes(size)))
    return data.getvalue()


async def pieces(data: bytes, size: int = 64 << 10) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.mark.parametrize(
    ("data", "in_memory"),
    [
        (archive(1, _MIB, 0), True),
        (archive(1, 9 * _MIB, 0), False),
        # Small as it comes, and too large for memory when it is unpacked.
        (gzip.compress(archive(1, 65 * _MIB, 0)), False),
    ],
)
async def test_where_they_are_unpacked(tmp_path: Path, data: bytes, in_memory: bool) -> None:
    place = tmp_path / "place"
    place.mkdir()
    found = await contexts.receive(pieces(data), place)
    assert os.path.ismount(place) == in_memory
    assert sorted(path.name for path in found.path.iterdir()) == ["f0", "f1", "f2"]
    assert (found.path / "f1").stat().st_size >= _MIB
    await contexts.discard(place)
    assert not place.exists()


async def test_nothing_is_left_mounted_after_a_failure(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield archive(1)[:512]
        raise ConnectionResetError

    for body, failure in ((broken(), ConnectionResetError), (pieces(b"x" * 2000), InvalidParameter)):
        place = tmp_path / failure.__name__
        place.mkdir()
        with pytest.raises(failure):
            await contexts.receive(body, place)
        assert not os.path.ismount(place)
        await contexts.discard(place)
