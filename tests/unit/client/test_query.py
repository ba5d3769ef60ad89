"""Query strings without urllib: what urllib reads back."""

from urllib.parse import parse_qs, unquote, unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from havre.client.query import encode, quote


@given(st.text())
def test_quoting_is_undone_by_urllib(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert unquote(quote(text)) == text
    assert quote(text).isascii()
    assert not set(quote(text)) & set('/?#&=+ \r\n"<>')


def test_names_of_files_that_are_not_text_survive() -> None:
    raw = b"/data/\xff\xfe"
    assert unquote_to_bytes(quote(raw.decode("utf-8", "surrogateescape"))) == raw


def test_values_by_kind() -> None:
    query = {
        "all": True,
        "size": False,
        "limit": 3,
        "name": "a b",
        "none": None,
        "t": ["x", "y"],
        "filters": {"a": ["b"]},
    }
    assert parse_qs(encode(query)) == {
        "all": ["1"],
        "size": ["0"],
        "limit": ["3"],
        "name": ["a b"],
        "t": ["x", "y"],
        "filters": ['{"a":["b"]}'],
    }


def test_safe_characters_stay() -> None:
    assert quote("a/b:c", safe="/:") == "a/b:c"
    assert quote("a/b:c") == "a%2Fb%3Ac"
