"""Every format, in pieces of every size, and every way to end too early."""

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.kernel.compression import CHUNK, CompressionError, decompressed, opener

try:
    from compression import zstd  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    from backports import zstd

FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
DATA = bytes(range(256)) * 20_000


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def whole(data: bytes, size: int = 5000) -> bytes:
    return b"".join(decompressed(pieces(data, size)))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 24])
def test_formats(name: str, size: int) -> None:
    data = DATA[:50_000] if size < 100 else DATA
    packed = FORMATS[name](data)
    assert opener(packed[:6]) is not None
    assert whole(packed, size) == data


@pytest.mark.parametrize("name", FORMATS)
def test_members_and_zeroes(name: str) -> None:
    pack = FORMATS[name]
    assert whole(pack(b"one") + pack(b"two") + bytes(1000)) == b"onetwo"
    assert whole(pack(b"")) == b""


@pytest.mark.parametrize("name", FORMATS)
def test_cut_short_or_followed_by_garbage(name: str) -> None:
    packed = FORMATS[name](DATA)
    for bad in (packed[:-1], packed[: len(packed) // 2], packed[:6], packed + b"garbage", packed + packed[:9]):
        with pytest.raises(CompressionError):
            whole(bad)


@given(st.binary(max_size=2000), st.integers(1, 3000))
def test_what_is_not_compressed_stays(data: bytes, size: int) -> None:
    if opener(data[:6]) is None:
        assert whole(data, size) == data


@given(st.sampled_from(list(FORMATS)), st.binary(max_size=300), st.integers(0, 2**16), st.integers(0, 255))
def test_damage_raises_one_kind_of_error(name: str, data: bytes, at: int, value: int) -> None:
    packed = bytearray(FORMATS[name](data))
    packed[at % len(packed)] = value
    try:
        whole(bytes(packed))
    except CompressionError:
        pass


def test_a_bomb_comes_in_small_pieces() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    assert all(len(piece) <= CHUNK for piece in decompressed(iter([bomb])))


def test_nothing() -> None:
    assert whole(b"") == b""
