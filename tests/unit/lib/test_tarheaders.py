"""Archives are read as tarfile (which wrote them) reads them, and damaged ones are refused."""

import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from havre.lib.tarheaders import BLOCK, Entry, Headers, TarError, clean_name, padding

KINDS = [
    tarfile.REGTYPE,
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.FIFOTYPE,
]


def read(data: bytes) -> Iterator[tuple[Entry, bytes]]:
    """Every entry of an archive and its content as it lies there."""
    headers = Headers()
    at = 0
    while not headers.ended and at < len(data):
        block = data[at : at + BLOCK]
        if len(block) < BLOCK:
            raise TarError("cut")
        at += BLOCK
        entry = headers.block(block)
        if headers.wants:
            wanted = headers.wants
            headers.extra(data[at : at + wanted])
            at += wanted + padding(wanted)
        if entry is not None:
            yield entry, data[at : at + entry.size]
            at += entry.size + padding(entry.size)


def archive(members: list[dict[str, Any]], format: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format, encoding="utf-8") as tar:
        for member in members:
            info = tarfile.TarInfo(member["name"])
            for key, value in member.items():
                if key != "data":
                    setattr(info, key, value)
            info.size = len(member["data"]) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(member["data"]))
    return buffer.getvalue()


paths = st.lists(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=80).filter(
        lambda part: part not in (".", "..")
    ),
    min_size=1,
    max_size=5,
).map("/".join)
member = st.fixed_dictionaries(
    {
        "name": paths,
        "type": st.sampled_from(KINDS),
        "mode": st.integers(0, 0o7777),
        "uid": st.integers(0, 0o7777777) | st.integers(0, 2**31),
        "gid": st.integers(0, 2**31),
        "mtime": st.integers(0, 2**33) | st.integers(0, 2**40),
        "linkname": paths,
        "devmajor": st.integers(0, 0o777777),
        "devminor": st.integers(0, 0o777777),
        "data": st.binary(max_size=1200),
    }
)


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@given(members=st.lists(member, max_size=5))
@settings(deadline=None)
def test_reads_what_tarfile_writes(format: int, members: list[dict[str, Any]]) -> None:
    data = archive(members, format)
    found = list(read(data))
    assert len(found) == len(members)
    for (entry, content), wanted in zip(found, members, strict=True):
        # A slash at the end is how old archives mark a directory; tarfile adds it, and other kinds keep theirs.
        assert entry.name.decode().rstrip("/") == wanted["name"].rstrip("/")
        assert entry.type == wanted["type"]
        assert (entry.mode, entry.uid, entry.gid) == (wanted["mode"], wanted["uid"], wanted["gid"])
        assert entry.mtime == wanted["mtime"] * 10**9
        if entry.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            assert entry.link.decode() == wanted["linkname"]
        if entry.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
            assert (entry.major, entry.minor) == (wanted["devmajor"], wanted["devminor"])
        assert content == (wanted["data"] if entry.type == tarfile.REGTYPE else b"")


@given(st.binary(max_size=4096))
@settings(deadline=None)
def test_garbage_raises_nothing_but_tar_errors(data: bytes) -> None:
    try:
        list(read(data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")))
    except TarError:
        pass


@given(
    members=st.lists(member, min_size=1, max_size=3),
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=12),
    fix=st.booleans(),
)
@settings(deadline=None)
def test_damage_raises_nothing_but_tar_errors(
    members: list[dict[str, Any]], changes: list[tuple[int, int]], fix: bool
) -> None:
    data = bytearray(archive(members, tarfile.PAX_FORMAT))
    for at, value in changes:
        data[at % len(data)] = value
    if fix:  # so that the damage gets past the checksum
        for at in range(0, len(data), BLOCK):
            block = data[at : at + BLOCK]
            block[148:156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    try:
        for entry, _ in read(bytes(data)):
            assert entry.size >= 0 and entry.real_size >= 0
            clean_name(entry.name)
    except TarError:
        pass


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        (b"a/b", b"a/b"),
        (b"./a/b/", b"a/b"),
        (b"/a", b"a"),
        (b"//a//b", b"a/b"),
        (b"a/./b", b"a/b"),
        (b"a/../b", b"b"),
        (b"a/b/../..", b""),
        (b".", b""),
        (b"./", b""),
        (b"/", b""),
        (b"...", b"..."),
        (b"a/..b", b"a/..b"),
        (b".hidden", b".hidden"),
    ],
)
def test_clean_name(name: bytes, clean: bytes) -> None:
    assert clean_name(name) == clean


@pytest.mark.parametrize("name", [b"..", b"../a", b"/..", b"a/../../b", b"./../a"])
def test_names_that_lead_out(name: bytes) -> None:
    with pytest.raises(TarError, match="outside"):
        clean_name(name)


def header(**fields: bytes) -> bytearray:
    info = tarfile.TarInfo("file")
    info.size = int(fields.pop("size", b"0"))
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    places = {"type": 156, "size_field": 124, "uid": 108, "magic": 257, "prefix": 345, "tail": 508}
    for name, value in fields.items():
        block[places[name] : places[name] + len(value)] = value
    return with_sum(block)


def with_sum(block: bytearray) -> bytearray:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return block


def only(data: bytes) -> Entry:
    (entry, _), *others = read(data + bytes(1024))
    assert not others
    return entry


def test_numbers_in_binary() -> None:
    assert only(bytes(header(uid=b"\x80\0\0\0\xff\xff\xff\xff"))).uid == 0xFFFFFFFF
    with pytest.raises(TarError, match="negative size"):
        only(bytes(header(size_field=b"\xff" * 12)))


@pytest.mark.parametrize("field", [b"12x45670", b"-0000001", b"9999999\0", b"0o000007", b"1_000000"])
def test_fields_that_are_no_number(field: bytes) -> None:
    with pytest.raises(TarError, match="no number"):
        only(bytes(header(uid=field)))


def test_old_directory_has_a_slash() -> None:
    block = bytearray(header(type=b"\0"))
    block[:4] = b"dir/"
    assert only(bytes(with_sum(block))).type == tarfile.DIRTYPE


def test_ustar_prefix() -> None:
    block = header(magic=b"ustar\x0000", prefix=b"some/where")
    assert only(bytes(block)).name == b"some/where/file"


def test_star_keeps_times_in_the_prefix() -> None:
    block = header(magic=b"ustar\x0000", prefix=b"dir".ljust(131, b"\0") + b"12345670123", tail=b"tar\0")
    assert only(bytes(block)).name == b"dir/file"


def test_signed_checksum() -> None:
    block = bytearray(header())
    block[0:2] = "é".encode()
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % (sum(block) - 2 * 256)
    assert only(bytes(block)).name == "éle".encode()


@pytest.mark.parametrize("kind", [b"V", b"M", b"D", b"9", b"\xff"])
def test_unknown_types(kind: bytes) -> None:
    with pytest.raises(TarError, match="unknown type"):
        only(bytes(header(type=kind)))


def test_a_header_after_the_end() -> None:
    with pytest.raises(TarError, match="after its end"):
        list(read(bytes(BLOCK) + bytes(header())))


def test_wrong_checksum() -> None:
    block = header()
    block[0] ^= 1
    with pytest.raises(TarError, match="checksum"):
        only(bytes(block))


def test_oversized_long_name() -> None:
    with pytest.raises(TarError, match="oversized"):
        list(read(bytes(header(type=b"L", size=b"2000000"))))


def pax(records: dict[str, bytes], data: bytes = b"", **fields: Any) -> bytes:
    """One file after PAX records written by hand, as tarfile would not."""
    body = b""
    for key, value in records.items():
        line = key.encode() + b"=" + value + b"\n"
        length = len(line) + 2
        while len(b"%d " % length + line) != length:
            length += 1
        body += b"%d " % length + line
    return raw_pax(body, data, **fields)


def raw_pax(body: bytes, data: bytes = b"", **fields: Any) -> bytes:
    extended = tarfile.TarInfo("x")
    extended.size, extended.type = len(body), tarfile.XHDTYPE
    info = tarfile.TarInfo("file")
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    parts = [extended.tobuf(tarfile.USTAR_FORMAT), body, bytes(padding(len(body)))]
    return b"".join([*parts, info.tobuf(tarfile.USTAR_FORMAT), data, bytes(padding(len(data)))])


def test_pax_records() -> None:
    entry = only(
        pax(
            {
                "path": b"long/" * 100 + b"name",
                "uid": b"4000000000",
                "mtime": b"12.5",
                "SCHILY.xattr.user.a": b"1=2\n",
                "SCHILY.xattr.security.capability": b"\0\1\xff",
                "comment": b"ignored",
            }
        )
    )
    assert entry.name == b"long/" * 100 + b"name"
    assert entry.uid == 4_000_000_000
    assert entry.mtime == 12_500_000_000
    assert entry.xattrs == {"user.a": b"1=2\n", "security.capability": b"\0\1\xff"}


def test_pax_times() -> None:
    assert only(pax({"mtime": b"-1.5"})).mtime == -1_500_000_000
    assert only(pax({"mtime": b"0.1234567891"})).mtime == 123_456_789
    with pytest.raises(TarError):
        only(pax({"mtime": b"1.x"}))


@pytest.mark.parametrize(
    "body",
    [
        b"x a=b\n",
        b"5 a=b\n",
        b"6 a=b",
        b"7 a=bc",
        b"0 a=b\n",
        b"99999999999999999999 a=b\n",
        b"4 ab\n",
        b"5 =b\n",
        b"6",
    ],
)
def test_bad_pax_records(body: bytes) -> None:
    with pytest.raises(TarError, match="PAX"):
        only(raw_pax(body))


def test_pax_names_without_nul() -> None:
    with pytest.raises(TarError, match="NUL"):
        only(pax({"path": b"a\0b"}))
    with pytest.raises(TarError, match="NUL"):
        only(pax({"linkpath": b"a\0b"}, type=tarfile.SYMTYPE))


def test_pax_size_overrides_the_header() -> None:
    data = bytearray(pax({"size": b"5"}, b"12345"))
    data[1024 + 124 : 1024 + 136] = b"00000000000\0"
    data[1024 : 1024 + BLOCK] = with_sum(data[1024 : 1024 + BLOCK])
    ((entry, content),) = read(bytes(data) + bytes(1024))
    assert (entry.size, entry.real_size, content) == (5, 5, b"12345")


def test_global_headers_are_passed_over() -> None:
    data = tarfile.TarInfo.create_pax_global_header({"comment": "a commit", "path": "elsewhere"})
    assert only(data + bytes(header())).name == b"file"


SPARSE = {"GNU.sparse.realsize": b"1000", "GNU.sparse.size": b"1000"}


def test_sparse_pax_0() -> None:
    records = {"GNU.sparse.size": b"1000", "GNU.sparse.map": b"10,3,500,2", "GNU.sparse.name": b"real"}
    ((entry, content),) = read(pax(records, b"abcde") + bytes(1024))
    assert (entry.name, entry.real_size, entry.sparse) == (b"real", 1000, [(10, 3), (500, 2)])
    assert content == b"abcde"


def test_sparse_pax_1() -> None:
    table = b"2\n10\n3\n500\n2\n".ljust(BLOCK, b"\0")
    records = {"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", **SPARSE}
    ((entry, content),) = read(pax(records, table + b"abcde") + bytes(1024))
    assert (entry.size, entry.real_size, entry.sparse, content) == (5, 1000, [(10, 3), (500, 2)], b"abcde")


def test_sparse_pax_1_with_a_map_of_many_blocks() -> None:
    pieces = [(1000 * n, 1) for n in range(1, 201)]
    table = b"200\n" + b"".join(b"%d\n%d\n" % piece for piece in pieces)
    table += bytes(padding(len(table)))
    records = {"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", "GNU.sparse.realsize": b"300000"}
    ((entry, content),) = read(pax(records, table + b"x" * 200) + bytes(1024))
    assert (entry.sparse, content) == (pieces, b"x" * 200)


def test_sparse_gnu() -> None:
    pieces = [(512 * n, 1) for n in range(30)]
    block = bytearray(header(type=b"S", size=b"30"))

    def table(chosen: list[tuple[int, int]]) -> bytes:
        return b"".join(b"%011o\0%011o\0" % piece for piece in chosen)

    block[386:482] = table(pieces[:4])
    block[482] = 1
    block[483:495] = b"%011o\0" % 20000
    more = table(pieces[4:25]).ljust(504, b"\0") + b"\1" + bytes(7)
    last = table(pieces[25:]).ljust(504, b"\0") + bytes(8)
    data = bytes(with_sum(block)) + more + last + b"y" * 30 + bytes(padding(30))
    ((entry, content),) = read(data + bytes(1024))
    assert (entry.type, entry.real_size, entry.sparse, content) == (b"0", 20000, pieces, b"y" * 30)


@pytest.mark.parametrize(
    "map",
    [b"10,3,5,2", b"10,3", b"10", b"999,5", b"10,-3", b"0,99999999999999999999", b"a,b", b"0,5,5"],
)
def test_bad_sparse_maps(map: bytes) -> None:
    with pytest.raises(TarError):
        only(pax({"GNU.sparse.map": map, **SPARSE}, b"abcde"))


@pytest.mark.parametrize("table", [b"", b"x\n", b"70000\n", b"1\n0\n", b"9" * 600])
def test_bad_sparse_tables(table: bytes) -> None:
    records = {"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", **SPARSE}
    with pytest.raises(TarError):
        only(pax(records, table.ljust(1024, b"\0")))
