"""``ps`` with its filters and formats through both clients."""

import json
import re

import pytest

from tests.system.harness import Engine
from tests.system.programs import Program

SERVE = ("-p", "127.0.0.1::80", "busybox", "sleep", "1000")


@pytest.fixture
def fleet(cli: Program) -> dict[str, str]:
    """Four containers in different states, name to id."""
    return {
        "first": cli("create", "--name", "first", "--label", "tier=db", "busybox", "echo", "hello world").out.strip(),
        "second": cli("run", "-d", "--name", "second", "-v", "vol:/v", "busybox", "sleep", "1000").out.strip(),
        "third": cli("run", "-d", "--name", "third", "-l", "tier=web", *SERVE).out.strip(),
        "fourth": _ended(cli),
    }  # fmt: skip


def _ended(cli: Program) -> str:
    cli("run", "--name", "fourth", "busybox", "sh", "-c", "exit 3", code=3)
    return cli("ps", "-aq", "--no-trunc", "--filter", "name=fourth").out.strip()


def names(cli: Program, *flags: str) -> list[str]:
    return cli("ps", "--format", "{{.Names}}", *flags).lines


def test_table(cli: Program, fleet: dict[str, str]) -> None:
    header = cli("ps", "-a").lines[0]
    assert header.split("  ")[0] == "CONTAINER ID"
    rows = {row["NAMES"]: row for row in cli("ps", "-a").table()}
    assert set(rows) == set(fleet)
    assert rows["first"]["CONTAINER ID"] == fleet["first"][:12]
    assert rows["first"]["IMAGE"] == "busybox"
    assert rows["first"]["COMMAND"] == "\"echo 'hello world'\""
    assert rows["first"]["STATUS"] == "Created"
    assert re.fullmatch(r"Up (Less than a second|\d+ seconds?)", rows["second"]["STATUS"])
    assert re.fullmatch(r"Exited \(3\) (Less than a second|\d+ seconds?) ago", rows["fourth"]["STATUS"])
    assert re.fullmatch(r"(Less than a second|\d+ seconds?) ago", rows["fourth"]["CREATED"])
    assert re.fullmatch(r"127\.0\.0\.1:\d+->80/tcp", rows["third"]["PORTS"])


def test_only_running_by_default(cli: Program, fleet: dict[str, str]) -> None:
    assert names(cli) == ["third", "second"]
    assert names(cli, "-a") == ["fourth", "third", "second", "first"]
    assert names(cli, "-l") == ["fourth"]
    assert names(cli, "-n", "3") == ["fourth", "third", "second"]


def test_quiet_and_no_trunc(cli: Program, fleet: dict[str, str]) -> None:
    assert cli("ps", "-q").lines == [fleet["third"][:12], fleet["second"][:12]]
    assert cli("ps", "-q", "--no-trunc").lines == [fleet["third"], fleet["second"]]


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (["status=created"], ["first"]),
        (["status=exited"], ["fourth"]),
        (["status=exited", "status=created"], ["fourth", "first"]),
        (["label=tier"], ["third", "first"]),
        (["label=tier=db"], ["first"]),
        (["name=fir"], ["first"]),
        (["name=^/?first$", "name=second"], ["second", "first"]),
        (["exited=3"], ["fourth"]),
        (["before=second"], ["first"]),
        (["since=second"], ["fourth", "third"]),
        (["volume=vol"], ["second"]),
        (["volume=/v"], ["second"]),
        (["ancestor=busybox"], ["fourth", "third", "second", "first"]),
        (["publish=80"], []),
        (["network=bridge", "status=running"], ["third", "second"]),
        (["label=tier", "status=running"], ["third"]),
        (["is-task=false"], ["fourth", "third", "second", "first"]),
    ],
)
def test_filters(cli: Program, fleet: dict[str, str], filters: list[str], wanted: list[str]) -> None:
    flags = [word for filter in filters for word in ("--filter", filter)]
    assert names(cli, "-a", *flags) == wanted


def test_filter_by_id(cli: Program, fleet: dict[str, str]) -> None:
    assert names(cli, "-a", "--filter", f"id={fleet['first'][:8]}") == ["first"]


def test_wrong_filter(cli: Program) -> None:
    assert "invalid filter 'colour'" in cli("ps", "--filter", "colour=red", code=1).err


def test_json(cli: Program, fleet: dict[str, str]) -> None:
    rows = [json.loads(line) for line in cli("ps", "-a", "--format", "json").lines]
    first = next(row for row in rows if row["Names"] == "first")
    assert (first["ID"], first["Image"], first["State"], first["Labels"]) == (
        fleet["first"][:12], "busybox", "created", "tier=db",
    )  # fmt: skip


def test_table_format(cli: Program, fleet: dict[str, str]) -> None:
    lines = cli("ps", "--format", "table {{.Names}}\t{{.Image}}").lines
    assert [line.split() for line in lines] == [["NAMES", "IMAGE"], ["third", "busybox"], ["second", "busybox"]]


def test_size(cli: Program) -> None:
    cli("run", "--name", "grown", "busybox", "dd", "if=/dev/zero", "of=/file", "bs=1000", "count=1000")
    row = cli("ps", "-as").table()[0]
    assert re.fullmatch(r"1(\.\d+)?MB \(virtual \d(\.\d+)?MB\)", row["SIZE"]), row


def test_ports_in_the_list(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "open", "-p", "127.0.0.1:0:80", "-p", "127.0.0.1:0:53/udp", "busybox", "sleep", "1000")
    ports = engine.inspect("open")["NetworkSettings"]["Ports"]
    tcp, udp = ports["80/tcp"][0]["HostPort"], ports["53/udp"][0]["HostPort"]
    assert cli("port", "open").lines == [f"53/udp -> 127.0.0.1:{udp}", f"80/tcp -> 127.0.0.1:{tcp}"]
    assert cli("port", "open", "80").out == f"127.0.0.1:{tcp}\n"
    assert names(cli, "--filter", "publish=" + tcp) == ["open"]
    assert "No public port '81" in cli("port", "open", "81", code=1).err


def test_health_is_none(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "plain", "busybox", "sleep", "1000")
    assert "Health" not in engine.inspect("plain")["State"]


def test_sizes_of_terminal_table(cli: Program, fleet: dict[str, str]) -> None:
    with cli.terminal("ps", columns=200) as terminal:
        terminal.expect("CONTAINER ID")
        assert terminal.wait() == 0
