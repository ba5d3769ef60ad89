"""Protocol Buffers: what is written is read back, strangers are passed over, nonsense is refused."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.lib.protobuf import DecodeError, Message, field, many, one, pairs, text


@dataclass(slots=True)
class Inner(Message):
    name: str = text(1)
    number: int = field(2)
    values: dict[str, bytes] = pairs(10)


@dataclass(slots=True)
class Outer(Message):
    kind: int = field(1)
    inner: Inner | None = one(2)
    all: list[Inner] = many(3)
    by_name: dict[str, Inner] = pairs(4)
    flag: bool = field(5, False)
    numbers: list[int] = many(6)
    data: bytes = field(17, b"")


@dataclass(slots=True)
class Older(Message):
    kind: int = field(1)


WHOLE = Outer(3, Inner(), [Inner("x", -5, {"a": b"c"}), Inner()], {"k": Inner("v")}, True, [0, 5], b"\0")


def test_bytes() -> None:
    # As protoc has them: field 1 = 150; field 2 with its length; a negative number in ten bytes.
    assert Outer(kind=150).encoded() == b"\x08\x96\x01"
    assert Outer(inner=Inner("testing")).encoded() == b"\x12\x09\x0a\x07testing"
    assert Inner(number=-1).encoded() == b"\x10" + b"\xff" * 9 + b"\x01"
    assert Outer().encoded() == b""
    assert Outer.decoded(b"\x32\x03\x03\x96\x01").numbers == [3, 150]  # packed


def test_there_and_back() -> None:
    assert Outer.decoded(WHOLE.encoded()) == WHOLE


def test_fields_of_a_newer_end_are_passed_over() -> None:
    fixed = b"\x99\x06" + bytes(8) + b"\x95\x06" + bytes(4)
    assert Older.decoded(WHOLE.encoded() + fixed) == Older(3)


@pytest.mark.parametrize(
    "data", [b"\x08", b"\x12\x05ab", b"\x0b", b"\xff" * 11, b"\x12\x02\x0a\x05", b"\x10\x01", b"\x09\x00"]
)
def test_nonsense(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Outer.decoded(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        message = Outer.decoded(data)
    except DecodeError:
        return
    assert Outer.decoded(message.encoded()) == message
