"""Ids: their shape, their short form, and what may begin one."""

import pytest

from havre.lib import ids


def test_new_ids_are_64_hex_digits_and_differ() -> None:
    first, second = ids.new_id(), ids.new_id()
    assert first != second
    assert len(first) == 64 and ids.is_id_prefix(first)
    assert not first[:12].isdecimal()


def test_an_all_decimal_short_id_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = [bytes.fromhex("12" * 32), bytes.fromhex("ab" * 32)]
    monkeypatch.setattr(ids.os, "urandom", lambda n: draws.pop(0))
    assert ids.new_id() == "ab" * 32


def test_short_leaves_out_the_algorithm() -> None:
    assert ids.short("sha256:" + "a" * 64) == "a" * 12
    assert ids.short("b" * 64) == "b" * 12
    assert ids.short("abc") == "abc"


@pytest.mark.parametrize(
    ("text", "answer"),
    [("", False), ("a", True), ("0" * 64, True), ("0" * 65, False), ("A", False), ("xyz", False), ("sha256:aa", False)],
)
def test_id_prefixes(text: str, answer: bool) -> None:
    assert ids.is_id_prefix(text) is answer
