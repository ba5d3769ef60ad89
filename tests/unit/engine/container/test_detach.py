"""Detach keys, also when they come in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.engine.container.detach import Detector, parse
from havre.errors import InvalidParameter


def test_parse() -> None:
    assert parse("") == b"\x10\x11"
    assert parse("ctrl-a,x,ctrl-[") == b"\x01x\x1b"
    for bad in ("ctrl-", "ctrl-1", "ab", "ä", ","):
        with pytest.raises(InvalidParameter):
            parse(bad)


def test_the_sequence_is_taken_out() -> None:
    detector = Detector(parse(""))
    assert detector.feed(b"ls\n\x10") == (b"ls\n", False)
    assert detector.feed(b"\x11rest") == (b"", True)


def test_a_false_start_is_passed_on() -> None:
    detector = Detector(parse(""))
    assert detector.feed(b"\x10") == (b"", False)
    assert detector.feed(b"x\x10\x10") == (b"\x10x\x10", False)
    assert detector.feed(b"\x11") == (b"", True)


@given(st.lists(st.binary(max_size=5)), st.binary(min_size=1, max_size=3))
def test_without_the_sequence_nothing_is_lost(pieces: list[bytes], keys: bytes) -> None:
    detector = Detector(keys)
    passed = b""
    for piece in pieces:
        data, detached = detector.feed(piece)
        passed += data
        if detached:
            assert keys in b"".join(pieces)
            return
    assert b"".join(pieces).startswith(passed)
    assert len(b"".join(pieces)) - len(passed) < len(keys)
