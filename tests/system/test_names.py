"""Names on networks of the user's, as docker's users meet them, also while the daemon is dead."""

import os
import signal
from pathlib import Path

import pytest

from tests.system import images
from tests.system.conftest import NewDaemon, docker_for
from tests.system.harness import Havred, wait_until
from tests.system.nameservers import answer, datagram, server
from tests.system.programs import Program
from tests.unit.network.dns.questions import PTR, ask, read

SLEEP = ("busybox", "sleep", "1000")


@pytest.fixture
def own(docker: Program) -> Program:
    """The docker CLI, on an engine with a network ``names``."""
    docker("network", "create", "names")
    return docker


def found(docker: Program, container: str, name: str) -> list[str]:
    """The addresses nslookup finds in the container."""
    lines = docker("exec", container, "nslookup", "-type=a", name, code=None).out.split("\n")
    start = next((index for index, line in enumerate(lines) if line.startswith("Name:")), len(lines))
    return [line.split()[-1] for line in lines[start:] if line.startswith("Address")]


def address(docker: Program, container: str, network: str = "names") -> str:
    template = f"{{{{(index .NetworkSettings.Networks {network!r}).IPAddress}}}}".replace("'", '"')
    return docker("inspect", "-f", template, container).out.strip()


def test_containers_find_each_other(own: Program) -> None:
    run = ("run", "-d", "--network", "names")
    first = own(*run, "--name", "first", "--network-alias", "both", "--hostname", "host-1", *SLEEP).out.strip()
    own(*run, "--name", "second", "--network-alias", "both", "--link", "first:friend", *SLEEP)
    there = address(own, "first")
    for name in ("first", "FIRST", first[:12], "host-1", "friend", "first.names"):
        assert found(own, "second", name) == [there], name
    assert sorted(found(own, "first", "both")) == sorted([there, address(own, "second")])
    assert found(own, "first", "friend") == [], "a link is one container's"
    assert "name = first.names\n" in own("exec", "second", "nslookup", there).out
    own("rename", "first", "renamed")
    assert found(own, "second", "renamed") == [there] and found(own, "second", "first") == []
    own("kill", "renamed")
    assert found(own, "second", "both") == [address(own, "second")]
    own("start", "renamed")
    assert found(own, "second", "renamed") == [address(own, "renamed")]
    own("exec", "-d", "second", "nc", "-l", "-p", "53", "-e", "echo", "mine")
    assert found(own, "second", "renamed"), "a container may serve port 53 itself"


def test_names_come_and_go_with_networks(own: Program) -> None:
    own("network", "create", "other")
    own("run", "-d", "--network", "names", "--name", "first", *SLEEP)
    own("run", "-d", "--network", "other", "--name", "second", *SLEEP)
    assert found(own, "first", "second") == []
    own("network", "connect", "--alias", "guest", "names", "second")
    for name in ("second", "guest", "second.names"):
        assert found(own, "first", name) == [address(own, "second")], name
    assert found(own, "second", "first") == [address(own, "first")]
    own("network", "disconnect", "names", "second")
    assert found(own, "first", "guest") == [] and found(own, "second", "first") == []
    own("rm", "-f", "second")
    own("network", "rm", "other")


def test_a_container_of_the_default_network_gets_names_with_its_first_other(own: Program) -> None:
    own("run", "-d", "--network", "names", "--name", "first", *SLEEP)
    own("run", "-d", "--name", "second", *SLEEP)
    own("network", "connect", "names", "second")
    assert found(own, "second", "first") == [address(own, "first")]


def test_resolv_conf(own: Program) -> None:
    words = ("--dns", "192.0.2.1", "--dns-search", "example.org", "--dns-option", "ndots:2")
    text = own("run", "--rm", "--network", "names", *words, "busybox", "cat", "/etc/resolv.conf").out
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines == ["nameserver 127.0.0.11", "search example.org", "options ndots:2"]
    assert "# ExtServers: [192.0.2.1]\n" in text
    plain = own("run", "--rm", "--network", "names", "busybox", "cat", "/etc/resolv.conf").out
    assert "\nnameserver 127.0.0.11\n" in plain and "ndots:0" in plain


def test_other_names_are_asked_of_the_servers_given(own: Program, havred: Havred) -> None:
    # It is asked from the container's network, where the test sets it up.
    first = own("run", "-d", "--network", "names", "--dns", "127.0.0.1", "--name", "first", *SLEEP).out.strip()
    with server(lambda question, _: [answer(question, 1)], "127.0.0.1", havred.exec_root / "netns" / first) as asked:
        assert found(own, "first", "elsewhere.example") == ["9.9.9.0"]
        assert asked
        assert found(own, "first", "first") == [address(own, "first")]


def answers(place: Path) -> bool:
    try:
        return bool(datagram(place, ask("first")))
    except ConnectionRefusedError:
        return False


def test_names_outlive_the_daemon(new_havred: NewDaemon, tmp_path: Path) -> None:
    daemon = new_havred()
    daemon.start()
    daemon.load(images.busybox().archive("busybox:latest"))
    docker = docker_for(daemon, tmp_path)
    docker("network", "create", "names")
    run = ("run", "-d", "--network", "names")
    first, _ = (docker(*run, "--name", name, *SLEEP).out.strip() for name in ("first", "second"))
    place, there = daemon.exec_root / "netns" / first, address(docker, "second")
    resolver = (daemon.exec_root / "names.pid").read_text()

    def finds(name: str) -> list[str]:
        return read(datagram(place, ask(name))).addresses

    daemon.kill()
    assert finds("second") == [there]
    backwards = ".".join(reversed(there.split("."))) + ".in-addr.arpa"
    assert read(datagram(place, ask(backwards, PTR))).records
    daemon.start()
    assert finds("second") == [there]
    docker(*run, "--name", "third", *SLEEP)
    assert finds("third") == [address(docker, "third")]
    assert (daemon.exec_root / "names.pid").read_text() == resolver, "it was found, not replaced"
    process = daemon.inspect("second")["State"]["Pid"]
    daemon.kill()
    os.kill(process, signal.SIGKILL)
    os.kill(int(resolver.split()[0]), signal.SIGKILL)
    daemon.start()
    wait_until(lambda: answers(place), "the resolver to be back")
    assert finds("second") == [] and finds("third") == [address(docker, "third")]
    docker("rm", "-f", "first", "second", "third")
    docker("network", "rm", "names")
    daemon.stop()
    assert not (daemon.exec_root / "names.sock").exists()
