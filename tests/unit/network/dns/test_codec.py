"""DNS messages as bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.network.dns import codec
from tests.unit.network.dns.questions import AAAA, EDNS_4096, A, ask, read

LABELS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1, max_size=63)
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(".".join)


@given(NAMES, st.integers(0, 65535), st.integers(0, 65535), st.booleans())
def test_what_was_asked_is_read(name: str, kind: int, number: int, edns: bool) -> None:
    query = codec.parse(ask(name, kind, number=number, edns=EDNS_4096 if edns else b""))
    assert (query.name, query.kind, query.number) == (name.lower(), kind, number)
    assert query.klass == codec.INTERNET and query.recursion
    assert query.size == (4096 if edns else 512)


@given(st.binary(max_size=600))
def test_no_bytes_break_it(data: bytes) -> None:
    try:
        query = codec.parse(data)
    except codec.Malformed:
        complaint = codec.complaint(data)
        assert complaint is None or (complaint[:2] == data[:2] and codec.code(complaint) in (1, 4))
    else:
        assert read(codec.answer(query, [(A, b"\1\2\3\4")], 512)).records == [(A, b"\1\2\3\4")]


@given(st.binary(min_size=0, max_size=60))
def test_nor_do_bytes_behind_a_header(tail: bytes) -> None:
    data = struct.pack("!6H", 1, 0x100, 1, 0, 0, 1) + tail
    try:
        query = codec.parse(data)
    except codec.Malformed:
        complaint = codec.complaint(data)
        assert complaint is not None and read(complaint).code == codec.FORMAT_ERROR
    else:
        assert data[12:].startswith(query.question)


@given(NAMES, st.lists(st.binary(min_size=4, max_size=16), max_size=80), st.integers(512, 1500))
def test_answers_fit_and_say_when_they_do_not(name: str, data: list[bytes], size: int) -> None:
    query = codec.parse(ask(name))
    records = [(A, each) for each in data]
    response = codec.answer(query, records, size)
    found = read(response)
    assert len(response) <= size
    assert found.records == records[: len(found.records)]
    assert found.truncated == (len(found.records) < len(records))
    assert found.number == query.number and found.recursion_available and not found.code


def test_the_name_comes_back_as_it_was_written() -> None:
    assert read(codec.answer(codec.parse(ask("WeB")), [], 512)).name == b"\3WeB"


def test_a_dot_within_a_label_separates_nothing() -> None:
    data = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\x03a.b\0\0\1\0\1"
    assert codec.parse(data).name == "a\\.b"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (struct.pack("!6H", 1, 0x100, 0, 0, 0, 0), codec.FORMAT_ERROR),
        (struct.pack("!6H", 1, 0x100, 2, 0, 0, 0) + 2 * b"\1a\0\0\1\0\1", codec.FORMAT_ERROR),
        (struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", codec.FORMAT_ERROR),
        (struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\x3fabc", codec.FORMAT_ERROR),
        (struct.pack("!6H", 1, 0x1100, 1, 0, 0, 0) + b"\1a\0\0\1\0\1", codec.NOT_IMPLEMENTED),
    ],
)
def test_malformed_questions_are_complained_of(data: bytes, code: int) -> None:
    with pytest.raises(codec.Malformed):
        codec.parse(data)
    complaint = codec.complaint(data)
    assert complaint is not None and codec.code(complaint) == code and len(complaint) == 12


def test_responses_and_scraps_are_not_answered() -> None:
    assert codec.complaint(b"abc") is None
    assert codec.complaint(struct.pack("!6H", 1, 0x8100, 1, 0, 0, 0) + b"\1a\0\0\1\0\1") is None


def test_only_the_response_to_this_question_counts() -> None:
    query = codec.parse(ask("example.com", AAAA))
    good = codec.numbered(codec.answer(query, [], 512), 99)
    assert codec.answers(good, 99, query)
    assert not codec.answers(good, 98, query)
    assert not codec.answers(codec.numbered(ask("example.com", AAAA), 99), 99, query)
    assert not codec.answers(codec.answer(codec.parse(ask("example.com", A, number=99)), [], 512), 99, query)
    assert not codec.answers(codec.answer(codec.parse(ask("example.org", AAAA, number=99)), [], 512), 99, query)
    assert not codec.answers(b"\0", 99, query)


@given(st.lists(LABELS, min_size=1, max_size=6).map(".".join))
def test_names_are_encoded_or_refused(name: str) -> None:
    try:
        encoded = codec.encode_name(name)
    except codec.Malformed:
        assert len(name) > 250
    else:
        data = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + encoded + b"\0\1\0\1"
        assert codec.parse(data).name == name.lower()
