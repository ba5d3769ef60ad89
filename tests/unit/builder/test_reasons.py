"""Why steps are carried out: which earlier one they are compared with, and what is said."""

import msgspec

from havre.builder.cache import Record
from havre.builder.reasons import best, why

ROOT = "the base image changed"


def run(words: str, root: str = "r", **variables: str) -> dict[str, str]:
    environment = [f"{name}={value}" for name, value in variables.items()]
    operation = {"words": ["sh", "-c", words], "environment": environment, "user": "", "mounts": []}
    return {"run": msgspec.json.encode(operation).decode(), "root": root}


def copy(source: str, target: str = "/", root: str = "r", mode: str = "") -> dict[str, str]:
    operation = {"items": [{"input": 1, "paths": ["a"]}], "target": target, "mode": mode}
    return {"copy": msgspec.json.encode(operation).decode(), "root": root, "source 0": source}


def record(inputs: dict[str, str], description: str = "[1/2] x", created: int = 0) -> Record:
    return Record(chain=[], layer=None, inputs=inputs, description=description, created=created, used=0)


def test_the_same_step_is_the_best_match() -> None:
    same = record(run("make", A="1"))
    rooted = record(run("make", "other", A="2"), created=5)
    elsewhere = record(run("make clean"), "[2/9] x", 9)
    assert best([elsewhere, rooted, same], run("make", A="2"), "[1/2] y") is same
    assert best([elsewhere], run("make"), "[1/2] y") is None
    assert best([record(copy("s"))], run("make"), "[1/2] y") is None


def test_of_two_alike_the_newer() -> None:
    old, new = record(copy("1"), created=1), record(copy("2"), created=2)
    assert best([new, old], copy("3"), "[1/2] y") is new


def test_another_command_at_the_same_place() -> None:
    before = record(run("make"))
    assert best([before], run("make all"), "[1/2] y") is before
    assert best([before], run("make all", "other"), "[1/2] y") is None
    assert why(before.inputs, run("make all"), {}, {}, ROOT) == ["the command changed"]


def test_variables_are_named_without_their_values() -> None:
    told = why(run("x", A="1", B="2", C="3"), run("x", A="secret", C="3", D="4"), {}, {}, ROOT)
    assert told == ["the variable A changed", "the variable B is gone", "the variable D is new"]


def test_files_are_named() -> None:
    before = {"source 0 a": "1", "source 0 b": "1", "source 0 c": "1", "source 1 a": "1"}
    now = {"source 0 a": "2", "source 0 c": "1", "source 0 d": "1", "source 1 a": "2"}
    assert why(copy("1"), copy("2"), before, now, ROOT) == ["a changed", "b is gone", "d is new"]
    many = {f"source 0 {n}": "2" for n in range(8)}
    assert why(copy("1"), copy("2"), before, many, ROOT)[-1] == "and 6 files more"
    assert why(copy("1"), copy("2"), {}, now, ROOT) == ["its files changed"]
    assert why({**run("x"), "mount /m": "1"}, {**run("x"), "mount /m": "2"}, {"mount /m f": "1"}, {}, ROOT) == [
        "its files changed (mounted at /m)"
    ]


def test_other_inputs() -> None:
    assert why(copy("1"), copy("1", root="s", mode="644"), {}, {}, ROOT) == [ROOT, "--chmod changed"]
    assert why(copy("1"), copy("1"), {}, {}, ROOT) == []
