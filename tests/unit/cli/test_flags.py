"""Every flag of docker's commands, as the specification data lists them, exists here with the same shorthand."""

import json
from pathlib import Path
from typing import Any

import pytest

from havre.cli.commands import COMMANDS
from havre.cli.help import usage_lines
from havre.cli.main import global_parser, load
from havre.cli.parser import Parser

# Flags of ours that docker does not have.
OURS = {"run": {"trace"}}


@pytest.fixture(scope="session")
def docker_commands(spec: Path) -> dict[str, Any]:
    commands: dict[str, Any] = json.loads((spec / "docker-cli-28.json").read_text())["commands"]
    return commands


def flags_of(name: str) -> Parser:
    parser = Parser()
    load(name).configure(parser)
    return parser


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_and_shorthands(docker_commands: dict[str, Any], name: str) -> None:
    known = docker_commands.get(f"docker {name}")
    if known is None or not known.get("flags"):
        # An alias that docker does not list by itself.
        return
    parser = flags_of(name)
    wanted = {flag["long"]: flag.get("short", "") for flag in known["flags"] if flag["long"] != "help"}
    found = {flag.long: flag.short for flag in parser.flags.values()}
    assert {long: found.get(long) for long in wanted} == wanted
    extra = {flag.long for name, flag in parser.flags.items() if name == flag.long and not flag.hidden} - set(wanted)
    assert extra == OURS.get(COMMANDS[name][0], set())


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_flag_takes(docker_commands: dict[str, Any], name: str) -> None:
    known = docker_commands.get(f"docker {name}", {})
    parser = flags_of(name)
    for flag in known.get("flags") or ():
        if flag["long"] in parser.flags:
            ours = parser.flags[flag["long"]]
            assert (ours.kind == "bool") == (flag["type"] == "bool"), flag["long"]


def test_global_flags(docker_commands: dict[str, Any]) -> None:
    wanted = {flag["long"]: flag.get("short", "") for flag in docker_commands["docker"]["flags"]}
    assert {flag.long: flag.short for flag in global_parser().flags.values()} == wanted


@pytest.mark.parametrize("name", COMMANDS)
def test_usage_is_dockers(docker_commands: dict[str, Any], name: str) -> None:
    known = docker_commands.get(f"docker {name}")
    if known is None:
        return
    ours, *more = usage_lines(name, load(name).USAGE).split("\n\t")
    assert ours == known["usage"].replace("docker", "havre", 1)
    assert len(more) == len(known.get("usage_alt", []))
