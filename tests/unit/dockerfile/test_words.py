"""Variables, quotes and escapes; the expected values are what ``docker build`` makes of the same words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.words import expand

VARIABLES = {"A": "one", "B": "two words", "C": "", "P": "a/b/c.tar.gz", "0": "zero", "12": "never"}


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("plain", "plain"),
        ("$A", "one"),
        ("${A}", "one"),
        ("x$A-y", "xone-y"),
        ("$A$B", "onetwo words"),
        ("$AA", ""),
        ("$", "$"),
        ("$.", "$."),
        ("$12", "2"),
        ("$0", "zero"),
        (r"\$A", "$A"),
        (r"\a\\", "a\\"),
        ("a\\", "a"),
        ("'$A'", "$A"),
        ('"$A"', "one"),
        (r'"\$A \" \\ \n"', r'$A " \ \n'),
        ("'a'\"b\"c", "abc"),
        (r"'a\'", "a\\"),
        ("${A:-x}", "one"),
        ("${X:-x}", "x"),
        ("${C:-x}", "x"),
        ("${C-x}", ""),
        ("${X-x}", "x"),
        ("${A:+x}", "x"),
        ("${C:+x}", ""),
        ("${C+x}", "x"),
        ("${X+x}", ""),
        ("${A:?no}", "one"),
        ("${C?no}", ""),
        ("${X:-${A}}", "one"),
        ("${X:-${Y:-deep}}", "deep"),
        ("${X:-'}'}", "}"),
        ("${P#*/}", "b/c.tar.gz"),
        ("${P##*/}", "c.tar.gz"),
        ("${P%.*}", "a/b/c.tar"),
        ("${P%%.*}", "a/b/c"),
        ("${P#x}", "a/b/c.tar.gz"),
        ("${P#?/}", "b/c.tar.gz"),
        ("${P/b/X}", "a/X/c.tar.gz"),
        ("${P/[/X}", "a/b/c.tar.gz"),
        (r"${P//\//_}", "a_b_c.tar.gz"),
        ("${P//a/}", "/b/c.tr.gz"),
        ("${X#a}", ""),
        ("${X/a/b}", ""),
    ],
)
def test_words(word: str, text: str) -> None:
    assert expand(word, VARIABLES).text == text


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("'a", "looking for matching single-quote"),
        ('"a', "looking for matching double-quote"),
        ('"a\\', "looking for matching double-quote"),
        ("${", "missing '}'"),
        ("${A", "missing '}'"),
        ("${A:-x", "missing '}'"),
        ("${A/x", "missing '/'"),
        ("${}", "bad substitution"),
        ("${:-x}", "bad substitution"),
        ("${A!x}", "unsupported modifier (!)"),
        ("${A:!x}", "unsupported modifier (:!)"),
        ("${A:#x}", "unsupported modifier (:#)"),
        ("${X:?why not}", "X: why not"),
        ("${X?}", "X: is not allowed to be unset"),
        ("${C:?}", "C: is not allowed to be empty"),
        ("${A#\\", "missing '}'"),
        ("${X:-" * 100 + "}" * 100, "nested too deeply"),
    ],
)
def test_refused(word: str, reason: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        expand(word, VARIABLES)
    assert reason in caught.value.reason


def test_words_are_cut_at_blanks_that_nothing_protects() -> None:
    assert expand("a $B 'c d' \"$B\" e\\ f ''", VARIABLES).words == ["a", "two", "words", "c d", "two words", "e f", ""]


def test_names_without_a_value_are_told_but_not_those_that_were_asked_for() -> None:
    assert expand("$X ${Y} ${Z:-z} ${W+w} $A ${V%x}", VARIABLES).unset == {"X", "Y", "V"}


def test_what_is_to_be_kept_is_kept() -> None:
    kept = expand("""$X ${Y%z} ${Z:-z} $A 'q' "r" \\n""", VARIABLES, raw_quotes=True, raw_escapes=True, keep_unset=True)
    assert kept.text == """$X ${Y%z} ${Z:-z} one 'q' "r" \\n"""


def test_the_other_escape() -> None:
    assert expand(r"c:\x`$A", VARIABLES, "`").text == r"c:\x$A"


def test_patterns_that_could_be_slow_are_not() -> None:
    value = {"V": "a" * 400}
    assert expand("${V%%" + "*a" * 100 + "b}", value).text == "a" * 400
    assert expand("${V//" + "a*" * 50 + "b/x}", value).text == "a" * 400


@given(st.text("aA${}:-+?#%/'\"\\* ", max_size=24))
def test_anything_is_read_or_refused(word: str) -> None:
    try:
        result = expand(word, VARIABLES)
    except DockerfileError:
        return
    assert "".join("".join(result.words).split()) == "".join(result.text.split())
