"""kill -9 at every effect of what is done to networks and ports of running containers: after the restart records,
interfaces, addresses, routes and rules agree, and nothing is orphaned.
"""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from havre.kernel.nftables import Nftables
from havre.network.firewall import bridges_in, table_of
from tests.system.conftest import NewDaemon
from tests.system.faults import each_point
from tests.system.harness import wait_until
from tests.system.residue import tables, veths
from tests.system.test_cli_network import free_port
from tests.system.test_crash import SLEEPER, Scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Before "bridge": what is connected to it has its default route, and its ports, there.
NAME = "another"


@pytest.fixture
def scene(new_havred: NewDaemon) -> Iterator[Scene]:
    yield Scene(new_havred())


def bridge(scene: Scene) -> str:
    return f"{scene.daemon.bridge}x"


def create_network(scene: Scene) -> None:
    scene.act(
        "POST", "/networks/create",
        {"Name": NAME, "EnableIPv6": True, "Options": {"com.docker.network.bridge.name": bridge(scene)}},
    )  # fmt: skip


def remove_network(scene: Scene) -> None:
    assert scene.daemon.api("DELETE", f"/networks/{NAME}").status in (204, 404)


def inside(pid: int, *command: str) -> Any:
    command = ("nsenter", "-t", str(pid), "-n", "ip", "-j", *command)
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout or "[]")


def elements(table: str) -> list[tuple[str, ...]]:
    """The published ports in the table: where (but on every address), what, and whither."""
    found = []
    for entry in Nftables().table("inet", table) or ():
        if entry.get("map", {}).get("name", "").startswith("published"):
            for key, value in entry["map"].get("elem", ()):
                found.append(tuple(map(str, (*key["concat"], *value["concat"]))))
    return sorted(found)


def disagreements(scene: Scene) -> list[str]:
    """What a record says and the kernel does not, and the other way round; one line each."""
    told = []
    running = [scene.daemon.inspect(one["Id"]) for one in scene.daemon.api("GET", "/containers/json").json()]
    networks = [scene.daemon.api("GET", f"/networks/{one['Id']}").json() for one in scene.daemon._networks()]
    networks.append(scene.daemon.api("GET", "/networks/bridge").json())
    known = {network["Options"]["com.docker.network.bridge.name"]: network for network in networks}
    for one in running:
        settings = one["NetworkSettings"]["Networks"]
        recorded = {
            f"{given[address]}/{given[length]}"
            for given in settings.values()
            for address, length in (("IPAddress", "IPPrefixLen"), ("GlobalIPv6Address", "GlobalIPv6PrefixLen"))
            if given[address]
        }
        links = [link for link in inside(one["State"]["Pid"], "addr") if link["ifname"] != "lo"]
        addresses = {
            f"{each['local']}/{each['prefixlen']}"
            for link in links
            for each in link["addr_info"]
            if each["scope"] == "global"
        }
        if addresses != recorded or len(links) != len(settings):
            told.append(f"{one['Name']} has {addresses} on {len(links)} interfaces; records say {settings}")
        gateways = [route["gateway"] for route in inside(one["State"]["Pid"], "route", "show", "default")]
        if gateways != [settings[min(settings)]["Gateway"]]:
            told.append(f"{one['Name']} has the default routes {gateways}; records say {settings}")
    table = table_of(scene.daemon.bridge)
    if sorted(name for name in tables() if scene.daemon.bridge in name) != [table]:
        told.append(f"tables {tables()}")
    for name in (scene.daemon.bridge, bridge(scene)):
        network = known.get(name)
        wanted = [one for one in running if network and network["Name"] in one["NetworkSettings"]["Networks"]]
        residents = set(network["Containers"]) if network else set()
        if residents != {one["Id"] for one in wanted}:
            told.append(f"on {name} are {residents}; containers say {[one['Name'] for one in wanted]}")
        if len(veths(name)) != len(residents):
            told.append(f"interfaces on {name}: {veths(name)} for {len(residents)} containers")
        if (name in bridges_in(Nftables().table("inet", table) or ())) != bool(network):
            told.append(f"the rules of {name}, which is {network}")
    told += _ports(scene, running)
    return told


def _ports(scene: Scene, running: list[Any]) -> list[str]:
    published, asked = [], []
    for one in running:
        settings = one["NetworkSettings"]["Networks"]
        address = settings[min(settings)]["IPAddress"]
        for port, places in one["NetworkSettings"]["Ports"].items():
            number, proto = port.split("/")
            for place in places or ():
                published.append((place["HostIp"], proto, place["HostPort"], address, number))
                asked.append((port, place["HostIp"], place["HostPort"]))
        for port, places in one["HostConfig"]["PortBindings"].items():
            for place in places:
                if (port, place["HostIp"], place["HostPort"]) not in asked and place["HostPort"]:
                    return [f"{one['Name']} publishes {asked}, and was asked for {place} of {port}"]
        if one["Name"] == "/victim" and len(asked) != sum(map(len, one["HostConfig"]["PortBindings"].values())):
            return [f"{one['Name']} publishes {asked}, and was asked for {one['HostConfig']['PortBindings']}"]
        asked = []
    rules = elements(table_of(scene.daemon.bridge))
    return [] if sorted(rules) == sorted(published) else [f"rules {rules} for {published}"]


def check(scene: Scene) -> None:
    wait_until(
        lambda: not disagreements(scene), "records and kernel to agree",
        lambda: "\n".join(disagreements(scene)), patience=10,
    )  # fmt: skip


def start_victim(scene: Scene) -> None:
    binding = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(free_port())}]}
    scene.create("victim", {**SLEEPER, "HostConfig": {"PortBindings": binding}})
    scene.ok(scene.daemon.api("POST", "/containers/victim/start"))


def tidy(scene: Scene) -> None:
    scene.remove_victim()
    remove_network(scene)


def test_create_and_remove(scene: Scene) -> None:
    for point in each_point(scene.fragile, lambda: None, lambda: create_network(scene), lambda: remove_network(scene)):
        there = [network["Name"] for network in scene.daemon._networks()]
        assert there == [NAME] if scene.acknowledged else there in ([], [NAME]), point
        check(scene)
        if not there:
            create_network(scene)
        start_victim(scene)
        scene.ok(scene.daemon.api("POST", f"/networks/{NAME}/connect", {"Container": "victim"}))
        check(scene)
        tidy(scene)
        check(scene)
    for point in each_point(
        scene.fragile, lambda: create_network(scene), lambda: scene.act("DELETE", f"/networks/{NAME}"),
        lambda: remove_network(scene),
    ):  # fmt: skip
        there = [network["Name"] for network in scene.daemon._networks()]
        assert there == [] if scene.acknowledged else there in ([], [NAME]), point
        check(scene)
        remove_network(scene)
        check(scene)
    scene.check()


def test_connect_and_disconnect(scene: Scene) -> None:
    create_network(scene)

    def prepare() -> None:
        start_victim(scene)

    def connected() -> None:
        prepare()
        scene.ok(scene.daemon.api("POST", f"/networks/{NAME}/connect", {"Container": "victim"}))

    def change(verb: str) -> None:
        scene.act("POST", f"/networks/{NAME}/{verb}", {"Container": "victim"})

    for before, verb, wanted in (
        (prepare, "connect", {NAME, "bridge"}),
        (connected, "disconnect", {"bridge"}),
    ):
        for point in each_point(
            scene.fragile, before, lambda verb=verb: change(verb), scene.remove_victim  # type: ignore[misc]
        ):  # fmt: skip
            check(scene)
            on = set(scene.daemon.inspect("victim")["NetworkSettings"]["Networks"])
            assert on == wanted if scene.acknowledged else on in ({NAME, "bridge"}, {"bridge"}), point
            if NAME not in on:
                change("connect")
                assert scene.acknowledged, point
                check(scene)
            scene.remove_victim()
            check(scene)
    remove_network(scene)
    scene.check()


def test_ports(scene: Scene) -> None:
    port = str(free_port())

    def add() -> None:
        body = {"PortBindings": {"90/udp": [{"HostIp": "127.0.0.1", "HostPort": port}]}}
        scene.act("POST", "/havre/containers/victim/ports", body)

    def added() -> None:
        start_victim(scene)
        add()
        assert scene.acknowledged

    def remove() -> None:
        scene.act("DELETE", "/havre/containers/victim/ports/90/udp")

    for before, act, wanted in (
        (lambda: start_victim(scene), add, {"80/tcp", "90/udp"}),
        (added, remove, {"80/tcp"}),
    ):
        for point in each_point(scene.fragile, before, act, scene.remove_victim):
            check(scene)
            there = set(scene.daemon.inspect("victim")["HostConfig"]["PortBindings"])
            assert there == wanted if scene.acknowledged else there in ({"80/tcp", "90/udp"}, {"80/tcp"}), point
            # As the next start has it.
            scene.ok(scene.daemon.api("POST", "/containers/victim/restart?t=0"))
            check(scene)
            assert set(scene.daemon.inspect("victim")["HostConfig"]["PortBindings"]) == there, point
            scene.remove_victim()
    scene.check()
