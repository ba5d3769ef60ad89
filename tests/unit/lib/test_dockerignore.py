"""``.dockerignore``: cases of Docker's reference and of its users, and patterns that must not be slow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.errors import InvalidParameter
from havre.lib import dockerignore
from havre.lib.dockerignore import Ignore, patterns_of


@pytest.mark.parametrize(
    ("patterns", "path", "out"),
    [
        ("a", "a", True),
        ("a", "a/b", True),
        ("a", "b/a", False),
        ("a/", "a/b", True),
        ("/a", "a", True),
        ("./a/../b", "b", True),
        ("*", "a", True),
        (".", "a", False),
        ("*/temp*", "somedir/temporary.txt", True),
        ("*/temp*", "temporary.txt", False),
        ("*/*/temp*", "a/b/temp", True),
        ("temp?", "tempa", True),
        ("temp?", "temp", False),
        ("temp?", "temp/", False),
        ("**", "a/b/c", True),
        ("**/*.go", "a.go", True),
        ("**/*.go", "x/y/a.go", True),
        ("**/a", "xa", False),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a**b", "ax/yb", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("[ab]c", "bc", True),
        ("[^ab]c", "bc", False),
        ("[a-c]", "b", True),
        (r"\*", "*", True),
        (r"\*", "a", False),
        ("a.b", "axb", False),
        ("*.md !README.md", "README.md", False),
        ("*.md !README.md", "x.md", True),
        ("*.md !README*.md README-secret.md", "README-secret.md", True),
        ("*.md README-secret.md !README*.md", "README-secret.md", False),
        ("* !src/keep", "src/keep/me", False),
        ("* !src/keep", "src/other", True),
        ("dir !dir/a", "dir/a", False),
    ],
)
def test_paths(patterns: str, path: str, out: bool) -> None:
    assert Ignore(patterns.split()).leaves_out(path) is out


@pytest.mark.parametrize("pattern", ["[", "[]", "[a", "a\\", "[b-a]", "[-]", "!", "[a-]"])
def test_malformed(pattern: str) -> None:
    with pytest.raises(InvalidParameter, match=r"pattern"):
        Ignore([pattern])


def test_what_may_be_skipped_whole() -> None:
    assert Ignore(["node_modules"]).may_skip("node_modules")
    back = Ignore(["*", "!src/**/x", "!docs/a/b"])
    assert [back.may_skip(path) for path in ("src", "src/deep/er", "docs", "docs/a", "docs/c", "lib")] == [
        False,
        False,
        False,
        False,
        True,
        True,
    ]


def test_a_file_is_cleaned() -> None:
    data = b"\xef\xbb\xbf# about\n\n  a/b/  \r\n! /c/../d\n/e\n#\n./f\n\\#g\n"
    assert patterns_of(data) == ["a/b", "!d", "e", "f", "\\#g"]


def test_wildcards_without_end_are_followed_in_bounded_time() -> None:
    """With ``re`` alone this would take longer than the test may."""
    slow = Ignore(["**" + "/a/**" * 20 + "/b", "*a" * 30 + "b"])
    assert not slow.leaves_out("a/" * 100 + "c")
    assert not slow.leaves_out("a" * 200)
    assert slow.leaves_out("a/" * 30 + "b")
    assert slow.leaves_out("a" * 30 + "b")


@given(st.text("ab*?[]!/\\.^-", max_size=12), st.text("ab/.", min_size=1, max_size=12))
def test_anything_is_answered_or_refused(pattern: str, path: str) -> None:
    try:
        read = Ignore([pattern])
    except InvalidParameter:
        return
    assert read.leaves_out(path) in (True, False)


@given(st.text("ab*?[]/^-", max_size=10), st.text("ab/", min_size=1, max_size=10))
def test_both_ways_of_matching_say_the_same(pattern: str, path: str) -> None:
    try:
        fast = Ignore([pattern])
    except InvalidParameter:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dockerignore, "_MOST_WILDCARDS", -1)
        slow = Ignore([pattern])
    assert fast.leaves_out(path) == slow.leaves_out(path)
