"""The commands and flags are those of the docker CLI 28 (``shared/spec/docker-cli-28.json``): none is missing, each has
the same short name, takes the same, and is the same when it is not given.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from havre.cli.commands import COMMANDS
from havre.cli.help import default_shown, usage_lines
from havre.cli.main import global_parser, load
from havre.cli.parser import Flag, Parser

# Commands of ours that Docker does not have.
OWN = {
    *("image diff", "image layers", "network repair", "network why", "port add", "port rm", "system fsck"),
    *("volume clone", "volume export", "volume import", "volume snapshot"),
}
# Flags of ours that Docker does not have.
OURS = {
    "run": {"trace"},
    # ``build`` has the flags of ``docker buildx build`` too, which is a plugin's command.
    "build": {
        *("allow", "annotation", "attest", "build-context", "builder", "cache-to", "call", "check", "load"),
        *("metadata-file", "no-cache-filter", "output", "progress", "provenance", "push", "sbom", "secret", "ssh"),
        *("lock", "why"),
    },
}
# What belongs to parts of Docker that havre has not yet: whole groups, and commands of groups that are there.
LATER_GROUPS = (
    *("buildx", "completion", "config", "context", "manifest", "node", "plugin", "secret", "service"),
    *("stack", "swarm", "trust"),
)
LATER = {"system dial-stdio"}
# Docker's words for what a flag takes where ours are others: the commands that are still to be held to them.
LOOSE_GROUPS = ("image", "network", "volume", "system")
LOOSE = {
    *("history", "images", "import", "load", "login", "logout", "pull", "push", "rmi", "save", "search", "tag"),
}
REPEATED = ("filter", "strings", "list", "map", "mount", "network", "gpu-request", "ulimit")


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


def strict(command: str) -> bool:
    return command not in LOOSE and command.partition(" ")[0] not in LOOSE_GROUPS


def test_no_command_is_missing(docker: dict[str, Any]) -> None:
    theirs = {name for known in docker.values() for name in known.get("aliases") or ()}
    theirs |= {name for name, known in docker.items() if not known.get("subcommands")}
    wanted = {name.removeprefix("docker ") for name in theirs if name != "docker"}
    missing = {name for name in wanted if name not in COMMANDS and name.split(" ")[0] not in LATER_GROUPS}
    assert missing == LATER


def test_no_command_is_made_up(docker: dict[str, Any]) -> None:
    for command in COMMANDS:
        assert command in OWN or entry(docker, command), command


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - OWN))
def test_flags(docker: dict[str, Any], command: str) -> None:
    parser = parser_of(command)
    wanted = {flag["long"]: flag for flag in entry(docker, command)["flags"] if flag["long"] != "help"}
    # Docker's help does not list older names of flags, nor what the daemon's system does not have.
    ours = {name: flag for name, flag in parser.flags.items() if flag.long == name}
    shown = {name for name, flag in ours.items() if not flag.hidden}
    windows = {name for name, flag in wanted.items() if flag.get("os") == "windows"}
    assert shown | windows == set(wanted) | OURS.get(COMMANDS[command][0], set())
    for name, flag in wanted.items():
        check(ours[name], flag, strict=strict(command))


def check(ours: Flag, flag: dict[str, Any], *, strict: bool) -> None:
    name = f"--{flag['long']}"
    assert ours.short == flag.get("short", ""), name
    assert (ours.kind == "bool") == (flag["type"] == "bool"), name
    assert ours.repeated or flag["type"] not in REPEATED, name
    if strict:
        assert ours.kind == "bool" or ours.word == flag["type"], name
        assert default_shown(ours).strip('"') == flag.get("default", "").strip('"'), name
    elif (default := flag.get("default")) and flag["type"] in ("bool", "int", "string"):
        assert str(ours.start()).lower() == default.strip('"').lower(), name


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_usage(docker: dict[str, Any], command: str) -> None:
    known = docker.get(f"docker {command}")
    if known is None:
        # A second name, whose usage Docker writes with the first.
        return
    ours, *more = usage_lines(command, load(command).USAGE).split("\n\t")
    assert ours == known["usage"].replace("docker", "havre", 1)
    assert len(more) == len(known.get("usage_alt", []))


def test_the_flags_before_the_command(docker: dict[str, Any]) -> None:
    ours = {flag.long: flag.short for flag in global_parser().flags.values()}
    assert ours == {flag["long"]: flag.get("short", "") for flag in docker["docker"]["flags"] if flag["long"] != "help"}
