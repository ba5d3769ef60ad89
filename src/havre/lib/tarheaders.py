"""Reading tar archives header by header, without I/O: ustar, old V7, GNU (long names, sparse) and PAX, as Go's reader
does.

Whoever reads an archive hands each 512-byte block that should be a header to ``Headers.block`` and gets an ``Entry``
once it is complete; the entry's content follows in the archive. Layers, image archives and build contexts come in here.
All names are bytes, as the kernel takes them. Python's own ``tarfile`` is four times slower, and follows other rules.
"""

import struct

BLOCK = 512
REGULAR, HARD_LINK, SYMLINK, CHAR_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"

# What a header's own variable parts (long name, PAX records, sparse map) may take, as in Go's archive/tar.
_LARGEST_EXTRA = 1 << 20
_MOST_SPARSE_PIECES = 1 << 16
_FIELDS = struct.Struct("100s8s8s8s12s12s8sc100s8s64x8s8s155s12x")
_ZEROES = bytes(BLOCK)
_OLD_SPARSE = b"S"
_REGULAR_TYPES = frozenset({REGULAR, b"\0", b"7", _OLD_SPARSE})
_KNOWN_TYPES = frozenset({HARD_LINK, SYMLINK, CHAR_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO})
_EXTRA_TYPES = frozenset({b"x", b"g", b"L", b"K"})
_XATTR = b"SCHILY.xattr."

Records = list[tuple[bytes, bytes]]


class TarError(ValueError):
    """The archive is damaged, or of a kind no container tool writes."""


class Entry:
    """One member. ``size`` bytes of content follow it in the archive, padded to whole blocks.

    ``mtime`` is in nanoseconds. ``sparse`` is None, or the pieces (offset, length) the content is spread over in a file
    of ``real_size`` bytes. ``xattrs`` come from PAX records.
    """

    __slots__ = (
        "gid",
        "link",
        "major",
        "minor",
        "mode",
        "mtime",
        "name",
        "real_size",
        "size",
        "sparse",
        "type",
        "uid",
        "xattrs",
    )

    def __init__(self, name: bytes, kind: bytes, mode: int, uid: int, gid: int, size: int, mtime: int) -> None:
        self.name = name
        self.type = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = self.real_size = size
        self.mtime = mtime
        self.link = b""
        self.major = self.minor = 0
        self.sparse: list[tuple[int, int]] | None = None
        self.xattrs: dict[str, bytes] | None = None


class Headers:
    """The state between blocks.

    After each ``block``: when ``wants`` is not 0, that many bytes come next, with their padding; hand them to
    ``extra``. When ``ended``, no more entries come.
    """

    __slots__ = ("_entry", "_lines", "_link", "_map", "_name", "_pax", "_pending", "_zero", "ended", "wants")

    def __init__(self) -> None:
        self.wants = 0
        self.ended = False
        self._zero = False
        self._pending = b""
        self._name: bytes | None = None
        self._link: bytes | None = None
        self._pax: Records | None = None
        # A sparse file whose map goes on in the next block, and the text of a PAX 1.0 map so far.
        self._entry: Entry | None = None
        self._map: bytearray | None = None
        self._lines = 0

    def block(self, block: bytes) -> Entry | None:
        """Take the next block; the entry it completes, or None. Raises ``TarError``."""
        if self._entry is not None:
            return self._old_map(self._entry, block) if self._map is None else self._pax_map(self._entry, block)
        if block == _ZEROES:
            self.ended, self._zero = self._zero, True
            return None
        if self._zero:
            raise TarError("tar archive is damaged: a header after its end")
        name, mode, uid, gid, size, mtime, checksum, kind, link, magic, major, minor, prefix = _FIELDS.unpack(block)
        if sum(block) - sum(checksum) + 256 != _number(checksum) and not _signed_sum_fits(block, checksum):
            raise TarError("tar archive is damaged: wrong header checksum")
        length = _number(size)
        if length < 0:
            raise TarError("tar archive is damaged: negative size")
        if kind in _EXTRA_TYPES:
            if length > _LARGEST_EXTRA:
                raise TarError("tar archive has an oversized header")
            self._pending, self.wants = kind, length
            return None
        name = name.partition(b"\0")[0]
        if prefix[0] and magic == b"ustar\x0000":
            # star has times at the prefix's end.
            whole = prefix[:131] if block[508:] == b"tar\0" else prefix
            name = whole.partition(b"\0")[0] + b"/" + name
        seconds = _number(mtime)
        entry = Entry(name, kind, _number(mode), _number(uid), _number(gid), length, seconds * 1_000_000_000)
        if kind in (SYMLINK, HARD_LINK):
            entry.link = link.partition(b"\0")[0]
        elif kind in (CHAR_DEVICE, BLOCK_DEVICE):
            entry.major, entry.minor = _number(major), _number(minor)
        elif kind == _OLD_SPARSE:
            entry.real_size = _number(block[483:495])
            return self._old_map(entry, block[386:482] + bytes(408) + block[482:483])
        return self._finish(entry)

    def extra(self, data: bytes) -> None:
        """Take the ``wants`` bytes asked for."""
        kind, self.wants = self._pending, 0
        if kind == b"L":
            self._name = data.partition(b"\0")[0]
        elif kind == b"K":
            self._link = data.partition(b"\0")[0]
        elif kind == b"x":
            self._pax = _records(data)
        # A global header ("g") is passed over, as Docker does: git puts only a commit id there.

    def _finish(self, entry: Entry) -> Entry | None:
        if self._name is not None:
            entry.name = self._name
        if self._link is not None:
            entry.link = self._link
        records = self._pax
        self._name = self._link = self._pax = None
        if records:
            _apply(entry, records)
        kind = entry.type
        if kind in _REGULAR_TYPES:
            # V7 archives have no type for directories but a slash at the end of the name.
            entry.type = DIRECTORY if kind == b"\0" and entry.name.endswith(b"/") else REGULAR
        elif kind not in _KNOWN_TYPES:
            raise TarError(f"tar archive has an entry of the unknown type {kind!r}")
        if entry.type != REGULAR:
            entry.size = 0
        elif kind == _OLD_SPARSE:
            return _with_pieces(entry, entry.sparse or [])
        elif records and any(key.startswith(b"GNU.sparse.") for key, _ in records):
            return self._pax_sparse(entry, records)
        entry.real_size = entry.size
        return entry

    def _old_map(self, entry: Entry, block: bytes) -> Entry | None:
        """GNU's own sparse map: four pieces in the header, 21 in each block that follows while a flag says so."""
        pieces = entry.sparse = entry.sparse or []
        for at in range(0, 504, 24):
            if not block[at]:
                break
            pieces.append((_number(block[at : at + 12]), _number(block[at + 12 : at + 24])))
        if len(pieces) > _MOST_SPARSE_PIECES:
            raise TarError("tar archive has a sparse file of too many pieces")
        self._entry = entry if block[504] else None
        return None if block[504] else self._finish(entry)

    def _pax_sparse(self, entry: Entry, records: Records) -> Entry | None:
        """PAX 0.0 and 0.1 keep the map in records, 1.0 at the start of the content."""
        fields = dict(records)
        entry.name = fields.get(b"GNU.sparse.name", entry.name)
        entry.real_size = _decimal(fields.get(b"GNU.sparse.realsize", fields.get(b"GNU.sparse.size", b"")))
        if fields.get(b"GNU.sparse.major") == b"1" and fields.get(b"GNU.sparse.minor") == b"0":
            self._entry, self._map, self._lines = entry, bytearray(), 0
            return None
        if b"GNU.sparse.map" in fields:
            numbers = [_decimal(text) for text in fields[b"GNU.sparse.map"].split(b",") if text]
        else:
            wanted = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
            numbers = [_decimal(value) for key, value in records if key in wanted]
        return _with_pieces(entry, _pairs(numbers))

    def _pax_map(self, entry: Entry, block: bytes) -> Entry | None:
        """A decimal number a line: how many pieces, then offset and length of each; padded to a whole block."""
        assert self._map is not None
        entry.size -= BLOCK
        self._map += block
        self._lines += block.count(b"\n")
        if entry.size < 0 or len(self._map) > _LARGEST_EXTRA:
            raise TarError("tar archive is damaged: bad sparse map")
        pieces = _decimal(bytes(self._map[:20].partition(b"\n")[0])) if self._lines else 0
        if self._lines <= 2 * pieces:
            return None
        lines = bytes(self._map).split(b"\n")
        self._entry = self._map = None
        return _with_pieces(entry, _pairs([_decimal(line) for line in lines[1 : 2 * pieces + 1]]))


def padding(size: int) -> int:
    """How many bytes follow ``size`` bytes of content up to the next header."""
    return -size % BLOCK


def clean_name(name: bytes) -> bytes:
    """``name`` as a path relative to the archive's root, without empty, ``.`` and ``..`` parts; b"" is the root itself.

    Raises ``TarError`` when it leads out of the root.
    """
    if b"/." not in name and b"//" not in name and name[:1] not in (b"/", b".") and name[-1:] != b"/":
        return name
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise TarError(f"{name.decode(errors='replace')!r} is outside of the archive's root")
            parts.pop()
        elif part and part != b".":
            parts.append(part)
    return b"/".join(parts)


def _number(field: bytes) -> int:
    """Octal text, or binary when the first bit is set (GNU)."""
    if field[0] & 0x80:
        width = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << width) - 1)
        return value - (1 << width) if field[0] & 0x40 else value
    text = field.strip(b" \0").partition(b"\0")[0]
    if not text:
        return 0
    try:
        if text.isdigit():
            return int(text, 8)
    except ValueError:
        pass
    raise TarError("tar archive is damaged: a header field is no number")


def _decimal(text: bytes) -> int:
    # A hundred digits would still be a number to Python; no file system has use for more than nineteen.
    if not text.isdigit() or len(text) > 19:
        raise TarError("tar archive is damaged: a header record is no number")
    return int(text)


def _signed_sum_fits(block: bytes, checksum: bytes) -> bool:
    """Some old tars summed signed bytes."""
    values: tuple[int, ...] = struct.unpack("148b8x356b", block)
    return sum(values) + 256 == _number(checksum)


def _records(data: bytes) -> Records:
    """PAX records, each ``<length> <key>=<value>\\n`` where the length counts all of it."""
    records: Records = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        digits = data[at:space]
        if space < 0 or not digits.isdigit():
            raise TarError("tar archive is damaged: bad PAX record")
        end = at + int(digits)
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not space + 1 < end <= len(data) or data[end - 1 : end] != b"\n" or not equals or not key:
            raise TarError("tar archive is damaged: bad PAX record")
        records.append((key, value))
        at = end
    return records


def _apply(entry: Entry, records: Records) -> None:
    for key, value in records:
        if key.startswith(_XATTR):
            if entry.xattrs is None:
                entry.xattrs = {}
            entry.xattrs[key[len(_XATTR) :].decode(errors="surrogateescape")] = value
        elif not value:
            continue  # takes back a global record, and those are not used
        elif key == b"path":
            entry.name = _without_nul(value)
        elif key == b"linkpath":
            entry.link = _without_nul(value)
        elif key == b"size":
            entry.size = _decimal(value)
        elif key == b"uid":
            entry.uid = _decimal(value)
        elif key == b"gid":
            entry.gid = _decimal(value)
        elif key == b"mtime":
            entry.mtime = _nanoseconds(value)


def _without_nul(name: bytes) -> bytes:
    if b"\0" in name:
        raise TarError("tar archive has a name with a NUL in it")
    return name


def _nanoseconds(text: bytes) -> int:
    whole, _, fraction = text.partition(b".")
    seconds = _decimal(whole.removeprefix(b"-") or b"0")
    nanoseconds = seconds * 1_000_000_000 + _decimal(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if whole.startswith(b"-") else nanoseconds


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    if len(numbers) % 2 or len(numbers) > 2 * _MOST_SPARSE_PIECES:
        raise TarError("tar archive is damaged: bad sparse map")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _with_pieces(entry: Entry, pieces: list[tuple[int, int]]) -> Entry:
    """``entry`` as a sparse file, once its pieces lie one after the other in it and hold exactly the content it has."""
    end = 0
    for offset, length in pieces:
        if offset < end or length < 0:
            raise TarError("tar archive is damaged: bad sparse map")
        end = offset + length
    if end > entry.real_size or sum(length for _, length in pieces) != entry.size:
        raise TarError("tar archive is damaged: bad sparse map")
    entry.sparse = pieces
    return entry
