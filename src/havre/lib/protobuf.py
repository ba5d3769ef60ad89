"""Protocol Buffers' encoding, for messages written as dataclasses.

    @dataclass(slots=True)
    class Packet(Message):
        type: int = field(1)
        stat: Stat | None = one(2)
        data: bytes = field(4, b"")

A field's Python type says how it is encoded: ``int`` and ``bool`` as varints (negative ones as 64-bit), ``str``,
``bytes`` and messages with their length, ``list`` repeated, ``dict`` as a map. Unknown fields are passed over, as both
ends of a protocol may be newer than the other.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar, dataclass_transform

_NUMBER = "number"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10

M = TypeVar("M", bound="Message")


class DecodeError(ValueError):
    """Bytes that are no message of the kind they should be."""


def field(number: int, default: Any = 0) -> Any:
    """A scalar field."""
    return dataclasses.field(default=default, metadata={_NUMBER: number})


def text(number: int) -> Any:
    """A field of text."""
    return field(number, "")


def one(number: int) -> Any:
    """A message that may be absent."""
    return field(number, None)


def many(number: int) -> Any:
    """A repeated field."""
    return dataclasses.field(default_factory=list, metadata={_NUMBER: number})


def pairs(number: int) -> Any:
    """A map."""
    return dataclasses.field(default_factory=dict, metadata={_NUMBER: number})


@dataclass_transform(field_specifiers=(dataclasses.field,))
class Message:
    """Base of all messages."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    def encoded(self) -> bytes:
        """The message's bytes; fields at their defaults are left out."""
        out = bytearray()
        for part in _parts(type(self)):
            value = getattr(self, part.name)
            if not value and value is not None and not isinstance(value, Message):
                continue
            if value is None:
                continue
            if part.shape == "map":
                for key, item in value.items():
                    _put_bytes(out, part.number, _pair(key, item))
            elif part.shape == "list":
                for item in value:
                    _put(out, part.number, item, True)
            else:
                _put(out, part.number, value, False)
        return bytes(out)

    @classmethod
    def decoded(cls: type[M], data: bytes) -> M:
        """The message of these bytes. Raises ``DecodeError``."""
        message = cls()
        by_number = _by_number(cls)
        for number, value in _fields(data):
            part = by_number.get(number)
            if part is None:
                continue
            if part.shape == "map":
                key, item = _read_pair(value, part)
                getattr(message, part.name)[key] = item
            elif part.shape == "list":
                found = getattr(message, part.name)
                if isinstance(value, bytes) and part.kind in (int, bool):
                    found.extend(part.convert(number) for number in _packed(value))
                else:
                    found.append(part.convert(value))
            else:
                setattr(message, part.name, part.convert(value))
        return message


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """One field of a message class. ``kind`` is the type of it, of its items or of a map's values."""

    name: str
    number: int
    shape: str
    kind: type
    key: type
    convert: Callable[[Any], Any]


# By class: what ``get_type_hints`` finds out costs more than to decode a message.
_PARTS: dict[type, tuple[_Part, ...]] = {}
_NUMBERS: dict[type, dict[int, _Part]] = {}


def _parts(cls: type[Message]) -> tuple[_Part, ...]:
    found = _PARTS.get(cls)
    if found is None:
        found = _PARTS[cls] = tuple(_read_class(cls))
    return found


def _read_class(cls: type[Message]) -> Iterator[_Part]:
    hints = typing.get_type_hints(cls)
    for each in dataclasses.fields(cls):  # type: ignore[arg-type]
        hint = hints[each.name]
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        shape, kind, key = "one", hint, str
        if origin is list:
            shape, kind = "list", arguments[0]
        elif origin is dict:
            shape, (key, kind) = "map", arguments
        elif origin in (typing.Union, types.UnionType):
            kind = arguments[0]
        yield _Part(each.name, each.metadata[_NUMBER], shape, kind, key, _converter(kind))


def _by_number(cls: type[Message]) -> dict[int, _Part]:
    found = _NUMBERS.get(cls)
    if found is None:
        found = _NUMBERS[cls] = {part.number: part for part in _parts(cls)}
    return found


def _converter(kind: type) -> Callable[[Any], Any]:
    if kind is str:
        return _text
    if kind is bytes:
        return _bytes
    if kind is bool:
        return lambda value: bool(_integer(value))
    if kind is int:
        return _integer
    message: type[Message] = kind
    return lambda value: message.decoded(_bytes(value))


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8", "surrogateescape")


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise DecodeError("a number where bytes should be")
    return value


def _integer(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise DecodeError("bytes where a number should be")
    return value - (1 << 64) if value >= 1 << 63 else value


def _put(out: bytearray, number: int, value: Any, zeros: bool) -> None:
    if isinstance(value, int):
        if value or zeros:
            _put_varint(out, number << 3 | _VARINT)
            _put_varint(out, int(value) & (1 << 64) - 1)
    elif isinstance(value, str):
        _put_bytes(out, number, value.encode("utf-8", "surrogateescape"))
    elif isinstance(value, Message):
        _put_bytes(out, number, value.encoded())
    else:
        _put_bytes(out, number, value)


def _put_bytes(out: bytearray, number: int, data: bytes) -> None:
    _put_varint(out, number << 3 | _BYTES)
    _put_varint(out, len(data))
    out += data


def _put_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _pair(key: Any, item: Any) -> bytes:
    out = bytearray()
    _put(out, 1, key, True)
    _put(out, 2, item, True)
    return bytes(out)


def _read_pair(value: int | bytes, part: _Part) -> tuple[Any, Any]:
    key: Any = part.key()
    item: Any = part.kind()
    for number, found in _fields(_bytes(value)):
        if number == 1:
            key = _converter(part.key)(found)
        elif number == 2:
            item = part.convert(found)
    return key, item


def _packed(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    found: list[tuple[int, int | bytes]] = []
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            found.append((tag >> 3, value))
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind == _FIXED64:
            size = 8
        elif kind == _FIXED32:
            size = 4
        else:
            raise DecodeError(f"a field of the unknown wire type {kind}")
        if size > end - at:
            raise DecodeError("the message ends in the middle of a field")
        if kind == _BYTES:
            found.append((tag >> 3, data[at : at + size]))
        at += size
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        if at >= len(data):
            raise DecodeError("the message ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise DecodeError("a number is too long")
