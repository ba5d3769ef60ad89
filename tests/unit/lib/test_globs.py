"""Patterns as Go's path.Match reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.lib.globs import match


@pytest.mark.parametrize(
    ("pattern", "name", "answer"),
    [
        ("abc", "abc", True),
        ("*", "abc", True),
        ("*c", "abc", True),
        ("a*", "a", True),
        ("a*", "ab/c", False),
        ("a*/b", "abc/b", True),
        ("a*/b", "a/c/b", False),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[e-g]", "abc", False),
        ("ab[^c]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "ab", False),
        ("a?b", "a☺b", True),
        ("a[^a]b", "a☺b", True),
        ("a???b", "a☺b", False),
        ("[a-ζ]*", "α", True),
        ("a?b", "a/b", False),
        ("[\\]a]", "]", True),
        ("[\\-x]", "-", True),
        ("[x\\-]", "z", False),
        ("*x", "xxx", True),
        ("", "", True),
        ("busybox*", "busybox:1.36", True),
        ("*/*", "library/busybox", True),
    ],
)
def test_match(pattern: str, name: str, answer: bool) -> None:
    assert match(pattern, name) is answer


@pytest.mark.parametrize("pattern", ["[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[", "[^", "[^bc", "a[", "a["])
def test_malformed(pattern: str) -> None:
    with pytest.raises(ValueError, match="syntax error in pattern"):
        match(pattern, "a")


@given(st.text(), st.text())
def test_only_value_errors(pattern: str, name: str) -> None:
    try:
        match(pattern, name)
    except ValueError:
        pass


def test_no_pattern_is_exponential() -> None:
    assert not match("*a" * 60 + "b", "a" * 300)
