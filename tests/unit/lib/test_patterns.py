"""Regular expressions of others: what they find, what is none, and that none of them takes for ever."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.lib.patterns import Pattern, PatternError


@pytest.mark.parametrize(
    ("text", "found", "missed"),
    [
        ("", ["", "x"], []),
        ("web", ["web", "my-web-1"], ["we", "WEB"]),
        ("^/?web$", ["web", "/web"], ["web1", "web\n", "a/web"]),
        ("a|^b|", ["", "c"], []),
        ("^(?:a|bc)+$", ["a", "bcabc"], ["b", ""]),
        ("^a{2}$", ["aa"], ["a", "aaa"]),
        ("^a{2,}$", ["aa", "aaaa"], ["a"]),
        ("^(ab?){1,3}?$", ["a", "abab", "aba"], ["aaaa"]),
        ("a{,2}", ["a{,2}"], ["aa"]),
        ("^(a*)*$", ["", "aaa"], ["b"]),
        (r"^[]a-c\d.\-]+$", ["]b3.-"], ["d", "^"]),
        ("^[^[:alpha:]_]$", ["1", "\n"], ["a", "_"]),
        (r"\bx\b", ["a x b"], ["axb"]),
        (r"\Aa\Q.*\E\z", ["a.*"], ["abc"]),
        (r"^\x41\x{e9}\.$", ["Aé."], ["Aéx"]),
        ("(?i)WEB", ["web", "WeB"], ["wb"]),
        ("(?i:w)eb", ["Web"], ["WEB"]),
        ("^(?P<name>a)(?<other>b).$", ["abc"], ["ab", "ab\n"]),
        ("(?s-i)a.b", ["a\nb"], ["a\nB"]),
        ("(?m)^b$", ["a\nb\nc"], ["ab"]),
    ],
)
def test_what_is_found(text: str, found: list[str], missed: list[str]) -> None:
    assert [word for word in [*found, *missed] if Pattern(text).found_in(word)] == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("*", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("(a", "missing closing ): `(a`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("[b-a]", "invalid character class range: `[b-a]`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("a\\", "trailing backslash at end of expression: `\\`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("a{99999999999}", "invalid repeat count: `{99999999999}`"),
        ("((a{100}){100}){100}", "expression too large: `((a{100}){100}){100}`"),
        ("(" * 500, f"expression nests too deeply: `{'(' * 500}`"),
    ],
)
def test_what_is_none(text: str, words: str) -> None:
    with pytest.raises(PatternError) as refused:
        Pattern(text)
    assert str(refused.value) == f"error parsing regexp: {words}"


@pytest.mark.parametrize("text", ["(a+)+$", "(a|a)*$", "(a?){50}a{50}$", "(.*)*[b]$", "((a*)*)*$"])
@pytest.mark.timeout(20)
def test_patterns_that_have_very_many_ways(text: str) -> None:
    assert not Pattern(f"^{text}").found_in("a" * 45 + "!")


@given(st.text("ab|*+?()[]^$.{1}\\-", max_size=12), st.text("ab-1", max_size=6))
def test_what_both_take_means_the_same(text: str, word: str) -> None:
    try:
        pattern, expected = Pattern(text), re.compile(text, re.ASCII)
    except (PatternError, re.error):
        return
    assert pattern.found_in(word) == bool(expected.search(word))
