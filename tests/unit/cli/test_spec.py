"""The commands and flags are spelled as the docker CLI 28 spells them (``shared/spec/docker-cli-28.json``)."""

import json
from pathlib import Path
from typing import Any

import pytest

from havre.cli.commands import COMMANDS
from havre.cli.main import global_parser, load
from havre.cli.parser import Parser

# Flags of ours that Docker does not have.
OURS = {"run": {"trace"}, "container run": {"trace"}}
# Docker's words for the kinds of flags that may be given several times.
REPEATED = ("filter", "strings", "list", "map")


@pytest.fixture(scope="session")
def docker(spec: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((spec / "docker-cli-28.json").read_text())["commands"]
    return found


def parser_of(command: str) -> Parser:
    parser = Parser()
    load(command).configure(parser)
    return parser


def entry(docker: dict[str, Any], command: str) -> dict[str, Any]:
    """Docker's entry for one of our commands; an alias has that of the command it is an alias of."""
    if (found := docker.get(f"docker {command}")) is not None:
        return found  # type: ignore[no-any-return]
    return next(known for known in docker.values() if f"docker {command}" in (known.get("aliases") or ()))


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_flags(docker: dict[str, Any], command: str) -> None:
    parser = parser_of(command)
    wanted = {flag["long"]: flag for flag in entry(docker, command)["flags"] if flag["long"] != "help"}
    # Docker's help does not list hidden flags, nor older names of flags.
    ours = {name: flag for name, flag in parser.flags.items() if not flag.hidden and flag.long == name}
    assert set(ours) - OURS.get(command, set()) == set(wanted)
    for name, flag in wanted.items():
        assert ours[name].short == flag.get("short", ""), f"--{name}"
        assert (ours[name].kind == "bool") == (flag["type"] == "bool"), f"--{name}"
        assert ours[name].repeated or flag["type"] not in REPEATED, f"--{name}"
        shown = flag.get("default")
        if shown and flag["type"] in ("bool", "int", "string"):
            assert str(ours[name].start()).lower() == shown.strip('"').lower(), f"--{name}"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_usage(docker: dict[str, Any], command: str) -> None:
    usage = load(command).USAGE.splitlines()[0]
    theirs = entry(docker, command)["usage"]
    arguments = theirs.partition(" [OPTIONS]")[2] if "[OPTIONS]" in theirs else None
    if arguments is not None:
        assert usage.partition(" [OPTIONS]")[2] == arguments


def test_the_flags_before_the_command(docker: dict[str, Any]) -> None:
    ours = global_parser().flags
    for flag in docker["docker"]["flags"]:
        if flag["long"] != "help":
            assert ours[flag["long"]].short == flag.get("short", ""), flag["long"]
