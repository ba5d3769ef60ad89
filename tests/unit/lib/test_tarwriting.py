"""Headers are what Python's tarfile and our own reader read back."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from havre.lib import tarheaders, tarwriting
from havre.lib.tarheaders import CHAR_DEVICE, DIRECTORY, HARD_LINK, REGULAR, SYMLINK, Entry

_SECOND = 1_000_000_000


def _read(blocks: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(blocks + tarwriting.END), errors="surrogateescape") as tar:
        info = tar.next()
    assert info is not None
    return info


def _parse(blocks: bytes) -> Entry:
    headers = tarheaders.Headers()
    at = 0
    while at < len(blocks):
        entry = headers.block(blocks[at : at + 512])
        at += 512
        if entry is not None:
            assert at == len(blocks)
            return entry
        wanted = headers.wants
        headers.extra(blocks[at : at + wanted])
        at += wanted + tarheaders.padding(wanted)
    raise AssertionError("no entry")


def test_a_plain_file_takes_one_block() -> None:
    blocks = tarwriting.header(Entry(b"dir/file", REGULAR, 0o104755, 1000, 50, 7, 5 * _SECOND + 999))
    assert len(blocks) == 512
    info = _read(blocks)
    assert (info.name, info.type, info.mode, info.uid, info.gid, info.size, info.mtime) == (
        "dir/file", b"0", 0o4755, 1000, 50, 7, 5,
    )  # fmt: skip
    assert (info.uname, info.gname) == ("", "")


def test_a_device_has_its_numbers() -> None:
    entry = Entry(b"null", CHAR_DEVICE, 0o666, 0, 0, 0, 0)
    entry.major, entry.minor = 1, 3
    info = _read(tarwriting.header(entry))
    assert (info.devmajor, info.devminor) == (1, 3)


def test_a_long_name_is_parted_at_a_slash_where_that_fits() -> None:
    name = b"a" * 90 + b"/" + b"b" * 90
    blocks = tarwriting.header(Entry(name, REGULAR, 0, 0, 0, 0, 0))
    assert len(blocks) == 512
    assert _read(blocks).name.encode() == name


@pytest.mark.parametrize("name", [b"c" * 101, b"d/" * 200, b"e" * 156 + b"/f", b"g" * 100 + b"/", b"h/" + b"i" * 101])
def test_other_long_names_get_a_record(name: bytes) -> None:
    blocks = tarwriting.header(Entry(name, DIRECTORY, 0, 0, 0, 0, 0))
    assert len(blocks) > 512
    assert _read(blocks).name.encode() == name.rstrip(b"/")
    assert _parse(blocks).name == name


def test_numbers_beyond_the_fields_get_records() -> None:
    entry = Entry(b"x", REGULAR, 0, 1 << 31, (1 << 32) - 2, 9 << 30, -5 * _SECOND)
    info = _read(tarwriting.header(entry))
    assert (info.uid, info.gid, info.size, info.mtime) == (1 << 31, (1 << 32) - 2, 9 << 30, -5)


def test_attributes_are_kept_byte_for_byte() -> None:
    entry = Entry(b"x", REGULAR, 0, 0, 0, 0, 0)
    entry.xattrs = {"security.capability": bytes(range(20)), "user.\udcff": b"\n=\0"}
    assert _parse(tarwriting.header(entry)).xattrs == entry.xattrs


_names = st.binary(min_size=1, max_size=400).map(lambda b: b.replace(b"\0", b"0")).filter(lambda b: b[-1:] != b"/")


@settings(deadline=None)
@given(
    _names,
    st.sampled_from([REGULAR, DIRECTORY, SYMLINK, HARD_LINK]),
    st.integers(0, 0o7777),
    st.integers(0, (1 << 32) - 1),
    st.integers(0, 1 << 45),
    st.integers(-(1 << 40), 1 << 40),
    st.dictionaries(st.text("abc.", min_size=1), st.binary(max_size=200)),
)
def test_our_reader_reads_what_we_write(
    name: bytes, kind: bytes, mode: int, owner: int, size: int, seconds: int, xattrs: dict[str, bytes]
) -> None:
    entry = Entry(name, kind, mode, owner, owner // 2, size if kind == REGULAR else 0, seconds * _SECOND)
    entry.xattrs = xattrs or None
    if kind in (SYMLINK, HARD_LINK):
        entry.link = name[::-1]
    read = _parse(tarwriting.header(entry))
    for field in ("name", "type", "mode", "uid", "gid", "size", "mtime", "link", "xattrs"):
        assert getattr(read, field) == getattr(entry, field), field


def test_blocks_are_go_s_byte_for_byte() -> None:
    """As dockerd's archives have them: the place of extended headers, and zeroes for what is no device."""
    block = tarwriting.header(Entry(b"n/f", b"0", 0o644, 0, 0, 0, 0))
    assert block[329:345] == b"0000000\0" * 2
    extended = tarwriting.header(Entry("n/café".encode(), b"0", 0o644, 0, 3_000_000, 0, 0))
    assert extended[:19] == b"n/PaxHeaders.0/caf\0" and extended[100:108] == b"0000000\0"
    assert extended[329:345] == bytes(16)
    assert extended[512:].startswith("15 gid=3000000\n16 path=n/café\n\0".encode())
    assert extended[1024:1030] == b"n/caf\0"
