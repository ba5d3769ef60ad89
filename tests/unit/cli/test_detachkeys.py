"""The detach keys: how they are written, and how they are found in what is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.cli.detachkeys import DEFAULT, Watch, parse

KEYS = parse(DEFAULT)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (DEFAULT, b"\x10\x11"),
        ("a", b"a"),
        ("a,ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"a\x00\x1b\x1c\x1d\x1e\x1f"),
        ("ctrl-z,Z,9", b"\x1aZ9"),
    ],
)
def test_parse(text: str, keys: bytes) -> None:
    assert parse(text) == keys


@pytest.mark.parametrize("text", ["", "ctrl-", "ctrl-A", "ctrl-é", "alt-a", "ab", "a,,b", "é"])
def test_unknown_keys(text: str) -> None:
    with pytest.raises(ValueError, match="Unknown character"):
        parse(text)


@pytest.mark.parametrize(
    ("typed", "passed", "found"),
    [
        (b"ls\n", b"ls\n", False),
        (b"a\x10\x11rest", b"a", True),
        (b"\x10x\x11", b"\x10x\x11", False),
        (b"\x10\x10\x11", b"\x10", True),
        (b"\x11\x10", b"\x11", False),
    ],
)
def test_watch(typed: bytes, passed: bytes, found: bool) -> None:
    assert Watch(KEYS).feed(typed) == (passed, found)


def test_what_is_held_back_comes_out_at_the_end() -> None:
    watch = Watch(KEYS)
    assert watch.feed(b"x\x10") == (b"x", False)
    assert watch.held() == b"\x10"
    assert watch.held() == b""


@given(st.lists(st.binary(max_size=4), max_size=10), st.binary(min_size=1, max_size=3))
def test_nothing_is_lost_or_invented(pieces: list[bytes], keys: bytes) -> None:
    watch = Watch(keys)
    out = b""
    for piece in pieces:
        passed, found = watch.feed(piece)
        out += passed
        if found:
            assert b"".join(pieces).startswith(out + keys)
            return
    assert out + watch.held() == b"".join(pieces)


@given(st.binary(max_size=12), st.integers(1, 5))
def test_the_cut_does_not_matter(typed: bytes, size: int) -> None:
    whole = Watch(b"ab").feed(typed)
    watch, out = Watch(b"ab"), b""
    for at in range(0, len(typed), size):
        passed, found = watch.feed(typed[at : at + size])
        out += passed
        if found:
            break
    assert (out, watch.held()) in ((whole[0], b""), (whole[0], b"a"))
