"""Dockerfiles that mean to take all memory or all time: refused with a sentence, soon."""

import pytest

from havre.dockerfile.expansion import Scope
from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.lines import MAX_INSTRUCTIONS, read
from havre.dockerfile.words import expand


def test_variables_that_double_each_other_end() -> None:
    value = "x"
    with pytest.raises(DockerfileError, match="longer than 1 MiB"):
        for _ in range(64):
            value = expand("$A$A", {"A": value}).text
    assert len(value) <= 1 << 20


def test_all_variables_together_are_bounded() -> None:
    with pytest.raises(DockerfileError, match="all variables together are longer"):
        Scope({str(number): "x" * (1 << 20) for number in range(5)})


@pytest.mark.parametrize(
    "word",
    [
        "${A#" + "*?" * 1000 + "}",
        "${A//*a*a/b}",
        "${A//x/" + "y" * 1000 + "}",
        "${A%" + "?" * 100_000 + "}",
    ],
)
def test_patterns_that_would_not_end(word: str) -> None:
    with pytest.raises(DockerfileError, match="a pattern is too long"):
        expand(word, {"A": "x" * 100_000})


def test_patterns_on_values_as_they_are_met() -> None:
    path = ":".join(f"/opt/some/where/{number}/bin" for number in range(100))
    assert expand("${P//some/any}", {"P": path}).text == path.replace("some", "any")
    assert expand("${P##*:}", {"P": path}).text == path.rpartition(":")[2]


def test_substitutions_in_substitutions_are_bounded() -> None:
    with pytest.raises(DockerfileError, match="nested too deeply"):
        expand("${A:-" * 10_000 + "}" * 10_000, {})


def test_too_many_instructions() -> None:
    text = b"FROM scratch\n" + b"ENV a=b\n" * MAX_INSTRUCTIONS
    with pytest.raises(DockerfileError, match="more than 5000 instructions"):
        read(text)
    assert len(read(text[: -len(b"ENV a=b\n")]).lines) == MAX_INSTRUCTIONS


@pytest.mark.parametrize(
    "text",
    [
        b"# escape=" + b" " * (1 << 20) + b"x",
        b"#" + b" " * (1 << 20) + b"=",
        b"FROM scratch\nENV A=" + b"\\ " * (1 << 19),
        b"FROM scratch\nRUN " + b"\\\n" * (1 << 19),
        b"FROM scratch\nRUN " + b"<<A " * (1 << 17),
        b"FROM scratch\nCOPY " + b"--" * (1 << 19) + b" a b",
    ],
    ids=["directive", "comment", "escapes", "continuations", "documents", "flag"],
)
def test_long_lines_are_read_or_refused(text: bytes) -> None:
    try:
        read(text)
    except DockerfileError as error:
        assert error.reason
