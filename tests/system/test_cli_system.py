"""``system df``, ``system prune``, ``info``, ``version``, volumes, networks, and the command line's own words."""

import json
import re

import pytest

from tests.system.harness import Engine, wait_until
from tests.system.programs import Program


def test_df(cli: Program) -> None:
    cli(
        "run",
        "-d",
        "--name",
        "big",
        "-v",
        "disk:/d",
        "busybox",
        "sh",
        "-c",
        "head -c 3000000 /dev/zero > /d/x; echo written; sleep 1000",
    )
    wait_until(lambda: "written" in cli("logs", "big").out, "the volume to be written to")
    rows = {row["TYPE"]: row for row in cli("system", "df").table()}
    assert list(rows) == ["Images", "Containers", "Local Volumes", "Build Cache"]
    assert (rows["Containers"]["TOTAL"], rows["Containers"]["ACTIVE"]) == ("1", "1")
    assert rows["Local Volumes"]["TOTAL"] == "1"
    assert rows["Local Volumes"]["SIZE"] == "3MB"
    verbose = cli("system", "df", "-v").out
    assert "Images space usage:" in verbose and "disk" in verbose and "big" in verbose


def test_prune(cli: Program, engine: Engine) -> None:
    dead = cli("create", "busybox").out.strip()
    cli("run", "-d", "--name", "alive", "busybox", "sleep", "1000")
    cli("volume", "create", "named")
    nameless = cli("commit", dead).out.strip()
    done = cli("system", "prune", "-f")
    assert f"Deleted Containers:\n{dead}\n" in done.out
    assert f"deleted: {nameless}" in done.out
    assert cli("run", "--rm", "busybox", "echo", "whole").out == "whole\n", "what the two images shared is there"
    assert "Total reclaimed space: " in done.out
    assert [container["Names"] for container in engine.containers()] == [["/alive"]]
    assert cli("volume", "ls", "-q").out == "named\n"


def test_prune_asks(cli: Program) -> None:
    cli("create", "--name", "spared", "busybox")
    done = cli("container", "prune", stdin="n\n", code=None)
    assert "WARNING! This will remove all stopped containers." in done.out + done.err
    assert cli("ps", "-aq").out != ""
    assert "Deleted Containers:" in cli("container", "prune", stdin="y\n").out


def test_info_and_version(cli: Program) -> None:
    cli("run", "-d", "busybox", "sleep", "1000")
    info = json.loads(cli("info", "--format", "{{json .}}").out)
    assert (info["ContainersRunning"], info["Containers"]) == (1, 1)
    assert info["OSType"] == "linux" and info["NCPU"] >= 1 and info["MemTotal"] > 0
    assert cli("info", "-f", "{{.ContainersRunning}}").out == "1\n"
    version = json.loads(cli("version", "--format", "json").out)
    assert version["Server"]["ApiVersion"] >= "1.51"
    assert cli("version", "-f", "{{.Server.Os}}").out == "linux\n"
    out = cli("version").out
    assert "Client:" in out and "Server:" in out and "API version:" in out


def test_volumes(cli: Program) -> None:
    assert cli("volume", "create", "--label", "a=b", "mine").out == "mine\n"
    anonymous = cli("volume", "create").out.strip()
    assert re.fullmatch("[0-9a-f]{64}", anonymous)
    found = json.loads(cli("volume", "inspect", "mine").out)[0]
    assert (found["Name"], found["Driver"], found["Labels"], found["Scope"]) == ("mine", "local", {"a": "b"}, "local")
    assert cli("volume", "ls", "-q", "--filter", "label=a=b").out == "mine\n"
    cli("create", "--name", "holds", "-v", "mine:/x", "busybox")
    assert cli("volume", "ls", "-q", "--filter", "dangling=true").out == f"{anonymous}\n"
    done = cli("volume", "rm", "mine", code=1)
    assert "remove mine: volume is in use - [" in done.err
    assert f"Deleted Volumes:\n{anonymous}" in cli("volume", "prune", "-f").out
    cli("rm", "holds")
    assert cli("volume", "rm", "mine").out == "mine\n"
    assert "no such volume" in cli("volume", "inspect", "mine", code=1).err.lower()


def test_networks(cli: Program, engine: Engine) -> None:
    rows = {row["NAME"]: row["DRIVER"] for row in cli("network", "ls").table()}
    assert rows == {"bridge": "bridge", "host": "host", "none": "null"}
    id = cli("run", "-d", "--name", "member", "busybox", "sleep", "1000").out.strip()
    found = json.loads(cli("network", "inspect", "bridge").out)[0]
    settings = engine.inspect("member")["NetworkSettings"]["Networks"]["bridge"]
    assert found["Containers"][id]["IPv4Address"] == f"{settings['IPAddress']}/{settings['IPPrefixLen']}"
    assert found["IPAM"]["Config"][0]["Gateway"] == settings["Gateway"]
    assert "network nowhere not found" in cli("network", "inspect", "nowhere", code=1).err


def test_help_and_unknown_commands(cli: Program) -> None:
    assert f"Usage:  {cli.name} run [OPTIONS] IMAGE [COMMAND] [ARG...]" in cli("run", "--help").out
    assert "Usage:" in cli("--help").out
    done = cli("rnu", code=None)
    assert done.code != 0 and "rnu" in done.err


def test_missing_arguments(cli: Program) -> None:
    done = cli("rm", code=1)
    assert f"'{cli.name} rm' requires at least 1 argument" in done.err


def test_no_daemon(cli: Program) -> None:
    done = cli("-H", "unix:///nowhere/at/all.sock", "ps", code=1)
    assert "Cannot connect to the" in done.err and "unix:///nowhere/at/all.sock" in done.err
    assert "daemon running?" in done.err


@pytest.mark.parametrize("command", [["image", "ls"], ["container", "ls"], ["volume", "ls"], ["network", "ls"]])
def test_quiet_lists_only_ids(cli: Program, command: list[str]) -> None:
    for line in cli(*command, "-q").lines:
        assert " " not in line
