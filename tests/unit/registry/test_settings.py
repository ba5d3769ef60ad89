"""Settings: each is a flag and a key, and is on the page that says what it does."""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from havre.errors import InvalidParameter
from havre.registry import sections, settings
from havre.registry.config import parser
from havre.registry.storages.s3settings import S3Settings


@dataclass(frozen=True)
class Sample:
    name: str = settings.setting("", "a text", "TEXT")
    count: int = settings.setting(3, "a number", "COUNT")
    wanted: bool = settings.setting(False, "a choice")
    some_words: tuple[str, ...] = settings.setting((), "words", "WORD")
    of_its_own: str = "no setting"


def test_flags_and_keys() -> None:
    program = argparse.ArgumentParser()
    settings.add_flags(program, "samples", Sample)
    assert vars(program.parse_args([])) == {}
    given = vars(
        program.parse_args(["--name", "x", "--count", "5", "--wanted", "--some-words", "a", "--some-words", "b"])
    )
    assert settings.build(Sample, given) == Sample("x", 5, True, ("a", "b"))
    assert settings.build(Sample, {"other": 1}) == Sample()
    assert "(default 3)" in program.format_help()
    for name, value, fits in (
        ("name", "x", True), ("name", 1, False), ("count", 1, True), ("count", True, False), ("wanted", 1, False),
        ("some_words", ["a"], True), ("some_words", "a", False), ("some_words", [1], False),
    ):  # fmt: skip
        assert settings.fits(Sample, name, value) == fits, (name, value)
    assert "of_its_own" not in settings.names(Sample)


def test_the_page_names_every_flag(repository: Path) -> None:
    page = (repository / "docs" / "registry.md").read_text()
    commands = next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    serve = commands.choices["serve"]
    flags = {
        word.removeprefix("--") for action in serve._actions for word in action.option_strings if word.startswith("--")
    }
    named = set(re.findall(r"`([a-z0-9-]+)`", page))
    assert flags - named <= {"help", "config"}
    assert "--config" in page
    for command in commands.choices:
        assert f"havre-registry {command}" in page, command


def test_one_key_of_a_bucket_is_no_use_without_the_other() -> None:
    with pytest.raises(InvalidParameter, match="needed together"):
        sections.read({"s3": {"bucket": "b", "access-key": "a"}}, "s3", S3Settings)
