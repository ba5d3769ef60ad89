"""Continuations, comments, directives and here-documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.lines import Heredoc, read


def rests(text: str) -> list[tuple[str, str]]:
    return [(line.keyword, line.rest) for line in read(text.encode()).lines]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM a", [("from", "a")]),
        ("\ufeffFROM a\r\nRUN b\r\n", [("from", "a"), ("run", "b")]),
        ("  from   a  ", [("from", "a")]),
        ("FROM \\\n a", [("from", "a")]),
        ("RUN a \\\n  b \\ \t\n c", [("run", "a   b  c")]),
        ("RUN a \\\n# comment\n  # another\n  b", [("run", "a   b")]),
        ("RUN a \\\n\n\n  b", [("run", "a   b")]),
        ("RUN a\\\\\nRUN b", [("run", "a\\\\"), ("run", "b")]),
        ("RUN a # not a comment", [("run", "a # not a comment")]),
        ("RUN a \\", [("run", "a")]),
        ("# escape=`\nRUN a `\n  b \\\nRUN c", [("run", "a   b \\"), ("run", "c")]),
        ("#!/usr/bin/x\n# escape=`\nRUN a `\n b", [("run", "a  b")]),
        ("\n# escape=`\nRUN a \\\n b", [("run", "a  b")]),
    ],
)
def test_lines(text: str, lines: list[tuple[str, str]]) -> None:
    assert rests(text) == lines


def test_places_comments_and_originals() -> None:
    source = read(b"# syntax=x/y:1\n\n# old\n\n# what it\n# is for\nFROM a AS b\nRUN c \\\n d\n")
    first, second = source.lines
    assert (first.first, first.last, first.comments) == (7, 7, ("what it", "is for"))
    assert (second.first, second.last, second.original) == (8, 9, "RUN c \\\n d")
    assert source.directives == {"syntax": "x/y:1"}


def test_a_continuation_with_an_empty_line_is_warned_of() -> None:
    assert [line for line, _ in read(b"FROM a\nRUN b \\\n\n c").warnings] == [2]


@pytest.mark.parametrize(
    ("rest", "flags", "left"),
    [
        (
            "--mount=type=bind,target=/x --network=none a --b",
            ("--mount=type=bind,target=/x", "--network=none"),
            "a --b",
        ),
        ("--a='x y' b", ("--a=x y",), "b"),
        ('--a="x \\" y" b', ('--a=x " y',), "b"),
        ("--a=x\\ y b", ("--a=x y",), "b"),
        ("-- --a b", (), "--a b"),
        ("a", (), "a"),
    ],
)
def test_flags(rest: str, flags: tuple[str, ...], left: str) -> None:
    (line,) = read(f"RUN {rest}".encode()).lines
    assert (line.flags, line.rest) == (flags, left)


def test_heredocs() -> None:
    text = "RUN <<A cat <<-'B' 3<<\"C\"\n$x\nA\n\tb\n\tB\n c\n C\nC\nRUN next"
    line, following = read(text.encode()).lines
    assert line.heredocs == (
        Heredoc("A", "$x\n", True, False),
        Heredoc("B", "b\n", False, True),
        Heredoc("C", " c\n C\n", False, False),
    )
    assert (following.keyword, following.first) == ("run", 9)


@pytest.mark.parametrize(
    "text",
    ["CMD <<A\nRUN b", 'RUN ["<<A"]\nRUN b', "RUN a '<<A'\nRUN b", "RUN echo $((1<<2))\nRUN b", "RUN a << b\nRUN b"],
)
def test_what_is_no_heredoc(text: str) -> None:
    assert [line.heredocs for line in read(text.encode()).lines] == [(), ()]


def test_a_trigger_may_have_them() -> None:
    assert [doc.content for doc in read(b"ONBUILD RUN <<A\nx\nA\n").lines[0].heredocs] == ["x\n"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 0, "no instructions"),
        ("# only\n\n", 0, "no instructions"),
        ("# escape=x\nFROM a", 1, "invalid escape token"),
        ("# syntax=a\n# syntax=b\nFROM a", 2, "only one syntax"),
        ("FROM a\nRUN <<A\nb", 2, "unterminated heredoc"),
        ("FROM a\nCOPY <<A '\nA", 2, "single-quote"),
    ],
)
def test_refused(text: str, line: int, reason: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        read(text.encode())
    assert caught.value.first == line
    assert reason in caught.value.reason


@given(st.text("RUN FOM<-'\"\\\n#=a$ ", max_size=60))
def test_anything_is_read_or_refused(text: str) -> None:
    try:
        source = read(text.encode())
    except DockerfileError:
        return
    numbers = [number for line in source.lines for number in (line.first, line.last)]
    assert numbers == sorted(numbers)
