"""Writing tar headers, without I/O: ustar where that can say it, with PAX records where it cannot, as Go's writer does.

The counterpart of ``tarheaders``: it takes the same ``Entry``. Archives of containers' files come in here. Times are
whole seconds, as in Docker's archives: a PAX record for the fraction would double the archive of many small files.
"""

import struct

from havre.lib.tarheaders import BLOCK, Entry, padding

END = bytes(2 * BLOCK)

_FIELDS = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_MAGIC = b"ustar\x0000"
_PAX = b"x"
_PAX_NAME = b"PaxHeaders.0"
_NAME, _PREFIX = 100, 155
_MOST_7 = 0o7777777
_MOST_11 = 0o77777777777
_SECOND = 1_000_000_000


def header(entry: Entry) -> bytes:
    """The blocks that stand before the content of ``entry``, whose ``size`` bytes and padding the caller adds.

    Sparse files are not written: ``entry.sparse`` is not looked at.
    """
    records: list[tuple[bytes, bytes]] = []
    name, prefix = _split(entry.name)
    if not entry.name.isascii():
        name, prefix = _ascii(entry.name), b""
        records.append((b"path", entry.name))
    elif len(entry.name) > _NAME and not prefix:
        records.append((b"path", entry.name))
    if len(entry.link) > _NAME or not entry.link.isascii():
        records.append((b"linkpath", entry.link))
    mtime = entry.mtime // _SECOND
    numbers = ((b"uid", entry.uid, _MOST_7), (b"gid", entry.gid, _MOST_7), (b"size", entry.size, _MOST_11))
    fields = []
    for key, value, most in (*numbers, (b"mtime", mtime, _MOST_11)):
        if 0 <= value <= most:
            fields.append(value)
        else:
            records.append((key, b"%d" % value))
            fields.append(0)
    uid, gid, size, seconds = fields
    for attribute, data in (entry.xattrs or {}).items():
        records.append((b"SCHILY.xattr." + attribute.encode(errors="surrogateescape"), data))
    block = _block(name, prefix, entry, uid, gid, size, seconds)
    return _pax(entry.name, records) + block if records else block


def _block(name: bytes, prefix: bytes, entry: Entry, uid: int, gid: int, size: int, seconds: int) -> bytes:
    block = _FIELDS.pack(
        name[:_NAME],
        b"%07o" % (entry.mode & 0o7777),
        b"%07o" % uid,
        b"%07o" % gid,
        b"%011o" % size,
        b"%011o" % seconds,
        b"        ",
        entry.type,
        entry.link[:_NAME] if entry.link.isascii() else _ascii(entry.link)[:_NAME],
        _MAGIC,
        b"",
        b"",
        b"" if entry.type == _PAX else b"%07o" % entry.major,
        b"" if entry.type == _PAX else b"%07o" % entry.minor,
        prefix,
    )
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def _split(name: bytes) -> tuple[bytes, bytes]:
    """``name`` for ustar's two fields, parted at a slash; the second is empty if it fits the first, or not at all."""
    if len(name) <= _NAME:
        return name, b""
    if len(name) > _NAME + 1 + _PREFIX:
        return name, b""
    # The slash of a directory at the end is no place to part at: the first field must not be empty.
    at = name.find(b"/", max(len(name) - _NAME - 1, 1), min(_PREFIX + 1, len(name) - 1))
    return (name, b"") if at < 0 else (name[at + 1 :], name[:at])


def _ascii(name: bytes) -> bytes:
    return bytes(character for character in name if character < 0x80)


def _pax(name: bytes, records: list[tuple[bytes, bytes]]) -> bytes:
    data = b"".join(_record(key, value) for key, value in sorted(records))
    directory, _, last = name.rpartition(b"/")
    place = b"/".join(part for part in (directory, _PAX_NAME, last) if part)
    entry = Entry(_ascii(place), _PAX, 0, 0, 0, len(data), 0)
    return _block(entry.name, b"", entry, 0, 0, len(data), 0) + data + bytes(padding(len(data)))


def _record(key: bytes, value: bytes) -> bytes:
    """``<length> <key>=<value>\\n``, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) > len(str(rest)):
        length += 1
    return b"%d %b=%b\n" % (length, key, value)
