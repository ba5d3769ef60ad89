"""What only havre's own client has: the trace of a run, its own variable for the host, its greeting image."""

import json
import re
import subprocess

from tests.system.harness import Havred
from tests.system.programs import Program

STEPS = ["client", "create", "network", "start", "attach", "exit"]


def test_trace(havre: Program) -> None:
    done = havre("run", "--rm", "--trace", "busybox", "echo", "traced")
    assert done.out.startswith("traced\n")
    timeline = done.out + done.err
    for step in STEPS:
        row = re.search(rf"^ *{step} +[\d.]+ +([\d.]+)", timeline, re.MULTILINE)
        assert row and float(row[1]) > 0, f"{step} is missing in:\n{timeline}"


def test_trace_keeps_the_exit_code(havre: Program) -> None:
    havre("run", "--rm", "--trace", "busybox", "sh", "-c", "exit 9", code=9)


def test_trace_as_json(havre: Program) -> None:
    done = havre("run", "--rm", "--trace=json", "busybox", "true")
    steps = json.loads((done.out + done.err).strip().splitlines()[-1])
    assert isinstance(steps, (list, dict))


def test_hello(havre: Program, havred: Havred) -> None:
    done = havre("run", "--rm", "havre/hello")
    assert "Hello" in done.out
    for word in ("client", "API", "daemon", "image", "container"):
        assert word.lower() in done.out.lower()
    # Whatever else is asked of it, it is an image like any other.
    assert havre("run", "--rm", "havre/hello", "echo", "own").out.endswith("own\n")
    havred.api("DELETE", "/images/havre/hello?force=1")


def test_network_repair(havre: Program, havred: Havred) -> None:
    made = havre("network", "create", "lan").out.strip()
    havre("run", "-d", "--name", "box", "--network", "lan", "busybox", "sleep", "1000")
    assert havre("network", "repair").out == "nothing to repair\n"
    # A chain that is emptied is nothing the daemon hears of by itself.
    chain = ("inet", f"havre_{havred.bridge}", f"arrive_br-{made[:12]}")
    subprocess.run(["nft", "flush", "chain", *chain], check=True)
    subprocess.run(["ip", "link", "delete", f"br-{made[:12]}"], check=True)
    assert havre("network", "repair").out == "lan: rules, bridge\n"
    gateway = havred.api("GET", "/networks/lan").json()["IPAM"]["Config"][0]["Gateway"]
    havre("exec", "box", "ping", "-c1", "-W2", gateway)
    assert havre("network", "repair").out == "nothing to repair\n"


def test_host_variables(havre: Program, havred: Havred) -> None:
    nowhere = "unix:///nowhere.sock"
    assert havre("ps", "-q", env={"DOCKER_HOST": nowhere}).out == ""
    assert "/nowhere.sock" in havre("ps", code=1, env={"HAVRE_HOST": nowhere, "DOCKER_HOST": havred.host}).err
    assert havre("-H", havred.host, "ps", "-q", env={"HAVRE_HOST": nowhere}).out == ""


def test_did_you_mean(havre: Program) -> None:
    done = havre("rnu", code=None)
    assert done.code != 0
    assert re.search(r"[Dd]id you mean.*\brun\b", done.err, re.DOTALL)


def test_every_command_has_help(havre: Program) -> None:
    listing = havre("--help").out
    commands = re.findall(r"^  (\w+)\*? +\w", listing, re.MULTILINE)
    assert {"run", "ps", "pull", "exec", "logs", "images", "system"} <= set(commands)
    for command in commands:
        assert f"Usage:  havre {command}" in havre(command, "--help").out, command
