"""Go's string literals, written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.lib.quoting import quote, unquote


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("", '""'),
        ("sh -c 'x'", "\"sh -c 'x'\""),
        ('a"b\\', '"a\\"b\\\\"'),
        ("\n\t\x00\x7f", '"\\n\\t\\x00\\x7f"'),
        ("ä…", '"ä…"'),
        ("\u200b\U000e0001", '"\\u200b\\U000e0001"'),
        ("\udcff", '"\\xff"'),
    ],
)
def test_quote(text: str, literal: str) -> None:
    assert quote(text) == literal


@given(st.text(st.characters(codec="utf-8")))
def test_round_trip(text: str) -> None:
    assert unquote(quote(text)) == text


@pytest.mark.parametrize(
    ("literal", "text"),
    [("`a\\n\r`", "a\\n"), ("'a'", "a"), ("'\\''", "'"), ('"\\101\\x41\\u0041"', "AAA"), ("'ä'", "ä")],
)
def test_unquote(literal: str, text: str) -> None:
    assert unquote(literal) == text


@pytest.mark.parametrize(
    "literal",
    [
        "",
        '"',
        "\"'",
        "'ab'",
        "''",
        '"\\q"',
        '"\\x4"',
        '"\\400"',
        '"\\ud800"',
        '"a\nb"',
        '"a"b"',
        "`a`b`",
        '"\\\'"',
        "x",
    ],
)
def test_unquote_refuses(literal: str) -> None:
    with pytest.raises(ValueError, match="invalid syntax"):
        unquote(literal)


@given(st.text(alphabet="\"'`\\xuUnabc0179\n"))
def test_only_value_errors(literal: str) -> None:
    try:
        unquote(literal)
    except ValueError:
        pass
