"""``docker network`` and containers on several networks, through both clients. It passes against a dockerd, too."""

import json
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.system.harness import Answer, Engine, Havred, wait_until
from tests.system.programs import Program
from tests.system.test_cli_network import free_port, says_hello

# Of each worker's own: what runs beside this on the same host may run this file too.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
ONE, TWO = f"10.213.{7 + 2 * _WORKER}", f"10.213.{8 + 2 * _WORKER}"
SIX = f"fd00:213:{7 + 2 * _WORKER}:"
LAN, LAN2 = f"{ONE}.0/24", f"{TWO}.0/24"
SERVER = ("busybox", "sh", "-c", "while :; do nc -l -p 80 -e /bin/echo hello; done")
SLEEP = ("busybox", "sleep", "1000")


def endpoints(engine: Engine, container: str) -> dict[str, Any]:
    found: dict[str, Any] = engine.inspect(container)["NetworkSettings"]["Networks"]
    return found


def interfaces(cli: Program, container: str) -> list[str]:
    lines = cli("exec", container, "ip", "-o", "-4", "addr").lines
    return [f"{line.split()[1]} {line.split()[3]}" for line in lines if " lo " not in line]


def test_make_look_and_remove(cli: Program) -> None:
    made = cli("network", "create", "--subnet", LAN, "--label", "a=b", "-o", "x=y", "--attachable", "lan").out.strip()
    assert len(made) == 64
    assert {"lan", "bridge", "host", "none"} <= {row["NAME"] for row in cli("network", "ls").table()}
    assert cli("network", "ls", "-q", "--filter", "label=a=b", "--filter", "name=la").out.strip() == made[:12]
    (found,) = json.loads(cli("network", "inspect", made[:10]).out)
    assert (found["Name"], found["Id"], found["Driver"], found["Attachable"]) == ("lan", made, "bridge", True)
    assert found["IPAM"]["Config"] == [{"Subnet": LAN}] and found["Labels"] == {"a": "b"}
    assert found["Options"]["x"] == "y"
    taken = cli("network", "create", "lan", code=1)
    assert "network with name lan already exists" in taken.err
    overlap = cli("network", "create", "--subnet", f"{ONE}.128/25", "other", code=1)
    assert "Pool overlaps with other one on this address space" in overlap.err
    assert cli("network", "rm", "lan").out == "lan\n"
    assert "network lan not found" in cli("network", "inspect", "lan", code=1).err


def test_a_container_on_its_network(cli: Program, engine: Engine) -> None:
    cli("network", "create", "--subnet", LAN, "lan")
    port = free_port()
    flags = ("--network", "lan", "--ip", f"{ONE}.9", "--network-alias", "www", "-p", f"{port}:80")
    cli("run", "-d", "--name", "server", *flags, *SERVER)
    place = endpoints(engine, "server")["lan"]
    assert (place["IPAddress"], place["Gateway"], place["IPPrefixLen"]) == (f"{ONE}.9", f"{ONE}.1", 24)
    assert place["Aliases"] == ["www"] and place["DNSNames"][:2] == ["server", "www"]
    assert list(endpoints(engine, "server")) == ["lan"]
    wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer")
    said = cli("run", "--rm", "--network", "lan", "busybox", "nc", f"{ONE}.9", "80")
    assert said.out == "hello\n"
    refused = cli("network", "rm", "lan", code=1)
    assert 'network lan has active endpoints (name:"server" id:"' in refused.err
    cli("restart", "-t0", "server")
    assert endpoints(engine, "server")["lan"]["IPAddress"] == f"{ONE}.9"
    wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer again")


def test_come_and_go(cli: Program, engine: Engine) -> None:
    cli("network", "create", "--subnet", LAN, "one")
    cli("network", "create", "--subnet", LAN2, "two")
    cli("run", "-d", "--name", "box", "--network", "one", *SLEEP)
    cli("network", "connect", "--ip", f"{TWO}.77", "--alias", "other", "two", "box")
    assert interfaces(cli, "box") == [f"eth0 {ONE}.2/24", f"eth1 {TWO}.77/24"]
    hosts = cli("exec", "box", "cat", "/etc/hosts").out
    assert f"{ONE}.2\t" in hosts and f"{TWO}.77\t" in hosts
    assert "already exists in network two" in cli("network", "connect", "two", "box", code=1).err
    cli("network", "disconnect", "one", "box")
    assert interfaces(cli, "box") == [f"eth1 {TWO}.77/24"]
    assert cli("exec", "box", "ip", "route").out.startswith(f"default via {TWO}.1 dev eth1")
    assert f"{ONE}.2" not in cli("exec", "box", "cat", "/etc/hosts").out
    assert "is not connected to network one" in cli("network", "disconnect", "one", "box", code=1).err
    # What is asked for stays across a stop, where it can be changed as well.
    cli("stop", "-t0", "box")
    cli("network", "connect", "one", "box")
    assert endpoints(engine, "box")["two"]["IPAMConfig"]["IPv4Address"] == f"{TWO}.77"
    cli("start", "box")
    # The network of its mode comes first.
    assert [line.split()[0] for line in interfaces(cli, "box")] == ["eth0", "eth1"]
    assert endpoints(engine, "box")["one"]["IPAddress"].startswith(f"{ONE}.")
    assert endpoints(engine, "box")["two"]["IPAddress"] == f"{TWO}.77"
    for name in ("one", "two"):
        cli("network", "disconnect", "-f", name, "box")
    assert endpoints(engine, "box") == {} and interfaces(cli, "box") == []
    cli("rm", "-f", "box")
    assert cli("network", "rm", "one", "two").out == "one\ntwo\n"


def test_several_at_once(cli: Program, engine: Engine) -> None:
    for name, subnet in (("one", LAN), ("two", LAN2)):
        cli("network", "create", "--subnet", subnet, name)
    two = engine.api("GET", "/networks/two").json()["Id"]
    flags = ("--network", f"name={two},gw-priority=1", "--network", "name=one,alias=a")
    cli("run", "-d", "--name", "box", *flags, *SLEEP)
    assert set(endpoints(engine, "box")) == {"one", "two"}
    assert engine.inspect("box")["HostConfig"]["NetworkMode"] == two
    if isinstance(engine, Havred):
        # dockerd gets that right for names only.
        assert [line.split()[0] for line in interfaces(cli, "box") if f"{TWO}." in line] == ["eth0"], "the first named"
    assert cli("exec", "box", "ip", "route").out.startswith(f"default via {TWO}.1 ")
    ids = [row["ID"] for row in cli("network", "ls", "--filter", "dangling=true").table()]
    assert not {engine.api("GET", f"/networks/{name}").json()["Id"][:12] for name in ("one", "two")} & set(ids)
    assert "box" in {row["NAMES"] for row in cli("ps", "--filter", "network=two").table()}


def test_a_connect_that_fails_leaves_nothing_and_takes_nothing(cli: Program, engine: Engine) -> None:
    for name, subnet in (("one", LAN), ("two", LAN2)):
        cli("network", "create", "--subnet", subnet, name)
    port = free_port()
    cli("run", "-d", "--name", "server", "--network", "one", "-p", f"{port}:80", *SERVER)
    before = cli("exec", "server", "ip", "route").out
    wrong = "com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.nonsense=1"
    cli("network", "connect", "--driver-opt", wrong, "--gw-priority", "9", "two", "server", code=1)
    assert set(endpoints(engine, "server")) == {"one"}
    assert cli("network", "inspect", "two", "-f", "{{len .Containers}}").out.strip() == "0"
    assert cli("exec", "server", "ip", "route").out == before
    wait_until(lambda: says_hello("127.0.0.1", port), "the server to answer where it did")
    cli("network", "connect", "two", "server")
    assert set(endpoints(engine, "server")) == {"one", "two"}


def test_dual_stack(cli: Program, engine: Engine) -> None:
    cli("network", "create", "--ipv6", "--subnet", LAN, "--subnet", f"{SIX}:/64", "lan")
    cli("run", "-d", "--name", "box", "--network", "lan", "--ip6", f"{SIX}:99", *SLEEP)
    place = endpoints(engine, "box")["lan"]
    assert (place["GlobalIPv6Address"], place["IPv6Gateway"]) == (f"{SIX}:99", f"{SIX}:1")
    cli("run", "--rm", "--network", "lan", "busybox", "ping", "-c1", "-W2", f"{SIX}:99")
    assert f"{SIX}:99\t" in cli("exec", "box", "cat", "/etc/hosts").out


def test_configurations(cli: Program, engine: Engine) -> None:
    """Networks that are only a configuration, and those made from one."""
    flags = ("--subnet", LAN, "--label", "a=b", "-o", "com.docker.network.driver.mtu=1400")
    cli("network", "create", "--config-only", *flags, "conf")
    cli("network", "create", "--config-from", "conf", "lan")
    said = cli("run", "--rm", "--network", "lan", "busybox", "ip", "link", "show", "eth0")
    assert "mtu 1400" in said.out
    made = engine.api("GET", "/networks/lan").json()
    assert (made["ConfigFrom"], made["Labels"]) == ({"Network": "conf"}, {"a": "b"})
    conf = engine.api("GET", "/networks/conf").json()
    assert (conf["ConfigOnly"], conf["Driver"], conf["IPAM"]["Config"]) == (True, "null", [{"Subnet": LAN}])
    nobody = "cannot create endpoint on configuration-only network"
    assert nobody in cli("run", "--rm", "--network", "conf", "busybox", "true", code=125).err
    cli("run", "-d", "--name", "box", *SLEEP)
    assert nobody in cli("network", "connect", "conf", "box", code=1).err
    if isinstance(engine, Havred):
        # dockerd lists it among the container's networks from then on.
        assert set(endpoints(engine, "box")) == {"bridge"}
    assert 'configuration network "conf" is in use' in cli("network", "rm", "conf", code=1).err
    assert "Pool overlaps" in cli("network", "create", "--config-from", "conf", "lan2", code=1).err
    refused = cli("network", "create", "--config-from", "conf", "--label", "x", "lan2", code=1)
    assert "user specified configurations are not supported" in refused.err
    cli("network", "rm", "lan", "conf")


def test_only_ipv6(cli: Program, engine: Engine) -> None:
    cli("network", "create", "--ipv4=false", "--ipv6", "--subnet", f"{SIX}:/64", "six")
    cli("run", "-d", "--name", "box", "--network", "six", *SLEEP)
    place = endpoints(engine, "box")["six"]
    assert (place["IPAddress"], place["GlobalIPv6Address"]) == ("", f"{SIX}:2")
    said = cli("run", "--rm", "--network", "six", "busybox", "sh", "-c", "ip -4 -o addr; ping -6 -c1 -W2 box")
    assert "eth0" not in said.out and f"{SIX}:2" in said.out
    assert "IPv4 or IPv6 must be enabled" in cli("network", "create", "--ipv4=false", "none6", code=1).err


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--ipam-driver", "null"), "ipv4 pool is empty"),
        (("--ipam-driver", "null", "--subnet", LAN), "null ipam driver does not handle specific address pool requests"),
        (("--scope", "swarm"), "cannot create a swarm scoped network when swarm is not active"),
        (("--ingress",), "Ingress network can only be global scope network"),
        (("-d", "overlay"), "This node is not a swarm manager."),
        (("-d", "host"), 'only one instance of "host" network is allowed'),
        (("-o", "com.docker.network.enable_ipv6=x"), 'driver-opt "com.docker.network.enable_ipv6" is not a valid bool'),
    ],
)
def test_networks_that_cannot_be(cli: Program, flags: tuple[str, ...], text: str) -> None:
    assert text in cli("network", "create", *flags, "lan", code=1).err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--network", "nothing"), "network nothing not found"),
        (("--network", "bridge", "--ip", "10.1.1.1"), "user specified IP address is supported on user defined"),
    ],
)
def test_what_is_refused(cli: Program, words: tuple[str, ...], text: str) -> None:
    assert text in cli("run", "--rm", *words, "busybox", "true", code=None).err


def test_the_hosts_network_and_another(cli: Program, havred: Havred) -> None:
    """dockerd fails at start, with what the kernel says."""
    refused = cli("run", "--rm", "--network", "host", "--network", "bridge", "busybox", "true", code=125)
    assert "cannot be connected to any other network" in refused.err


def test_refused_connections(cli: Program, engine: Engine) -> None:
    cli("network", "create", "lan")
    cli("create", "--name", "none", "--network", "none", *SLEEP)
    assert "networks in private (none) mode" in cli("network", "connect", "lan", "none", code=1).err
    cli("create", "--name", "host", "--network", "host", *SLEEP)
    assert "cannot be connected to any other network" in cli("network", "connect", "lan", "host", code=1).err
    assert "No such container: nobody" in cli("network", "connect", "lan", "nobody", code=1).err
    cli("create", "--name", "box", *SLEEP)
    refused = cli("network", "connect", "--ip", "172.30.0.9", "lan", "box", code=1)
    assert "only when connecting to networks with user configured subnets" in refused.err
    cli("network", "disconnect", "bridge", "box")
    refused = cli("network", "connect", "--ip", "203.0.113.1", "bridge", "box", code=1)
    assert refused.err.splitlines()[1:] == [
        "* user specified IP address is supported on user defined networks only",
        "* no configured subnet or ip-range contain the IP address 203.0.113.1",
    ]
    answer = engine.api("GET", "/networks/lan?verbose=perhaps")
    assert answer.status == 400 and "invalid value for verbose: perhaps: strconv.ParseBool" in answer.json()["message"]


def test_events(docker: Program, engine: Engine) -> None:
    begin = f"{time.time():.6f}"
    made = docker("network", "create", "lan").out.strip()
    box = docker("run", "-d", *SLEEP).out.strip()
    for verb in ("connect", "disconnect"):
        docker("network", verb, "lan", box)
    docker("network", "rm", "lan")
    asked = {"type": ["network"], "network": [made]}
    lines = engine.api("GET", "/events", since=begin, until=f"{time.time():.6f}", filters=asked).body.splitlines()
    found = [json.loads(line) for line in lines]
    assert [(one["Action"], one["Actor"]["Attributes"]) for one in found] == [
        ("create", {"name": "lan", "type": "bridge"}),
        ("connect", {"container": box, "name": "lan", "type": "bridge"}),
        ("disconnect", {"container": box, "name": "lan", "type": "bridge"}),
        ("destroy", {"name": "lan", "type": "bridge"}),
    ]


def test_prune(docker: Program, havred: Havred) -> None:
    for name in ("idle", "used"):
        docker("network", "create", name)
    docker("run", "-d", "--name", "box", "--network", "used", *SLEEP)
    assert docker("network", "prune", "-f").out == "Deleted Networks:\nidle\n\n"


def test_everything_at_once(fresh_havred: Havred) -> None:
    """Six clients do as they like: the records agree, alive and after kill -9, and nothing fails for want of words."""
    engine, failures = fresh_havred, []
    one = {"Image": "busybox", "Cmd": ["sleep", "1000"], "StopSignal": "KILL", "ExposedPorts": {"80/tcp": {}}}

    def act(dice: random.Random) -> Answer:
        lan, box = f"n{dice.randrange(3)}", f"c{dice.randrange(3)}"
        match dice.choice(("create", "rm", "connect", "disconnect", "run", "rm box", "restart", "prune")):
            case "create":
                body = {"Name": lan, "EnableIPv6": dice.random() < 0.5, "Internal": dice.random() < 0.3}
                return engine.api("POST", "/networks/create", body)
            case "rm":
                return engine.api("DELETE", f"/networks/{lan}")
            case "connect":
                asked = {"Container": box, "EndpointConfig": {"GwPriority": dice.randrange(3)}}
                return engine.api("POST", f"/networks/{lan}/connect", asked)
            case "disconnect":
                return engine.api("POST", f"/networks/{lan}/disconnect", {"Container": box})
            case "run":
                host = {"PublishAllPorts": True, "NetworkMode": dice.choice((lan, "bridge"))}
                engine.api("POST", "/containers/create", {**one, "HostConfig": host}, name=box)
                return engine.api("POST", f"/containers/{box}/start")
            case "rm box":
                return engine.api("DELETE", f"/containers/{box}?force=1")
            case "restart":
                return engine.api("POST", f"/containers/{box}/restart?t=0")
            case _:
                return engine.api("POST", "/networks/prune")

    def client(number: int) -> None:
        dice = random.Random(number)
        for _ in range(30):
            answer = act(dice)
            # dockerd says 500 for that, too.
            if answer.status >= 500 and b"is not connected to" not in answer.body:
                failures.append(answer)

    with ThreadPoolExecutor(6) as clients:
        list(clients.map(client, range(6)))
    assert failures == []
    assert_agreed(engine)
    engine.kill()
    engine.start()
    assert_agreed(engine)
    engine.clean()


def assert_agreed(engine: Engine) -> None:
    """Who runs is on its networks, and nobody else is."""
    places = set()
    for container in engine.containers():
        document = engine.inspect(container["Id"])
        if document["State"]["Running"]:
            places |= {(container["Id"], name) for name in document["NetworkSettings"]["Networks"]}
    residents = set()
    for network in engine.api("GET", "/networks").json():
        found = engine.api("GET", f"/networks/{network['Id']}").json()
        residents |= {(container, network["Name"]) for container in found["Containers"]}
    assert places == residents
