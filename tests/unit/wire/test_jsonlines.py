"""JSON streams: however the bytes are cut, the same values come out; what is not JSON is a ValueError."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.wire.jsonlines import Decoder, encode

TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def decode(parts: list[bytes]) -> list[object]:
    decoder = Decoder()
    values = [value for part in parts for value in decoder.feed(part)]
    return values + decoder.close()


@given(st.lists(JSON), st.lists(st.integers(min_value=0, max_value=10_000)), st.booleans())
def test_any_cut_gives_the_same_values(values: list[object], cuts: list[int], ascii_only: bool) -> None:
    data = "\n".join(json.dumps(value, ensure_ascii=ascii_only) for value in values).encode()
    assert decode(pieces(data, cuts)) == values


@given(st.lists(st.dictionaries(TEXT, JSON)), st.integers(min_value=1, max_value=9))
def test_objects_without_newlines(values: list[object], step: int) -> None:
    data = "".join(json.dumps(value) for value in values).encode()
    assert decode([data[i : i + step] for i in range(0, len(data), step)]) == values


def test_a_value_comes_out_as_soon_as_it_is_whole() -> None:
    decoder = Decoder()
    assert decoder.feed(b'{"a": 1.') == []
    assert decoder.feed(b"5e") == []
    assert decoder.feed(b'1, "b": "\\ud83d\\u') == []
    assert decoder.feed(b'de00"}') == [{"a": 15.0, "b": "\U0001f600"}]
    assert decoder.feed(b'{"c": "\xc3') == []
    assert decoder.feed(b'\xa4"}\r\n  []') == [{"c": "ä"}, []]
    assert decoder.close() == []


def test_a_number_waits_for_its_end() -> None:
    decoder = Decoder()
    assert decoder.feed(b"12") == []
    assert decoder.feed(b"3") == []
    assert decoder.close() == [123]


@pytest.mark.parametrize("data", [b"<html>", b'{"a":}', b"{1}", b'{"a" 1}', b"]", b'"\n"', b"tru3", b"[" * 100_000])
def test_what_is_not_json(data: bytes) -> None:
    with pytest.raises(ValueError):
        Decoder().feed(data + b" ")


def test_half_a_value_at_the_end() -> None:
    decoder = Decoder()
    decoder.feed(b'{"a": ')
    with pytest.raises(ValueError, match="unexpected end of JSON input"):
        decoder.close()


@given(st.lists(st.binary(max_size=20)))
def test_only_value_errors(parts: list[bytes]) -> None:
    try:
        decode(parts)
    except ValueError:
        pass


def test_encode() -> None:
    assert encode({"status": "ä", "n": [1, None]}) == '{"status":"ä","n":[1,null]}\n'.encode()
