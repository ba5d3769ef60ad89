"""Many containers on one network at once, and a daemon that dies meanwhile: no address is lost or given twice, and all
are found by name. And many networks: where their subnets come from, and what there is when none are left.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system import images
from tests.system.conftest import NewDaemon, docker_for
from tests.system.faults import surviving
from tests.system.harness import Havred, wait_until
from tests.system.nameservers import datagram
from tests.unit.network.dns.questions import ask, read

CROWD = 50
BODY = {"Image": "busybox", "Cmd": ["sleep", "100000"], "StopSignal": "KILL", "HostConfig": {"NetworkMode": "crowd"}}


def addresses(daemon: Havred) -> dict[str, str]:
    """The addresses of the containers that run, by name, as their records have them."""
    running = [each for each in daemon.containers() if each["State"] == "running"]
    return {each["Names"][0].lstrip("/"): each["NetworkSettings"]["Networks"]["crowd"]["IPAddress"] for each in running}


def found(place: Path, names: list[str]) -> dict[str, str]:
    """The addresses that a container finds by name."""
    return {name: ",".join(read(datagram(place, ask(name))).addresses) for name in names}


@pytest.mark.timeout(300)
def test_fifty_at_once(fresh_havred: Havred) -> None:
    daemon = fresh_havred
    assert daemon.api("POST", "/networks/create", {"Name": "crowd"}).status == 201
    names = [f"one{number}" for number in range(CROWD)]

    def start(name: str) -> None:
        with surviving():
            daemon.api("POST", "/containers/create", BODY, name=name)
            daemon.api("POST", f"/containers/{name}/start")

    with ThreadPoolExecutor(CROWD) as clients:
        work = [clients.submit(start, name) for name in names]
        wait_until(lambda: len(addresses(daemon)) > CROWD // 3, "some of them to run", patience=60)
        daemon.kill()
        for each in work:
            each.result()
        daemon.start()
        list(clients.map(start, names))
    there = addresses(daemon)
    assert sorted(there) == sorted(names) and len(set(there.values())) == CROWD
    residents = daemon.api("GET", "/networks/crowd").json()["Containers"].values()
    assert {one["Name"]: one["IPv4Address"].partition("/")[0] for one in residents} == there
    for name in (names[0], names[-1]):
        place = daemon.exec_root / "netns" / daemon.inspect(name)["Id"]
        wait_until(lambda: found(place, names) == there, "all to be found by name")  # noqa: B023
        said = {name: daemon.inspect(name)["NetworkSettings"]["Networks"]["crowd"]["IPAddress"] for name in names[:3]}
        assert said == {name: there[name] for name in names[:3]}
    with ThreadPoolExecutor(8) as clients:
        removed = list(clients.map(lambda name: daemon.api("DELETE", f"/containers/{name}?force=1").status, names))
    assert set(removed) == {204}
    assert daemon.api("DELETE", "/networks/crowd").status == 204


def test_networks_as_the_daemon_is_told(new_havred: NewDaemon, tmp_path: Path) -> None:
    """Subnets of the daemon's pools, as long as there are any, and options that networks do not set themselves."""
    daemon = new_havred(
        *(
            "--default-address-pool",
            "base=10.214.0.0/27,size=28",
            "--default-address-pool",
            "base=fd00:214::/63,size=64",
        ),
        *("--default-network-opt", "bridge=com.docker.network.driver.mtu=1290"),
    )
    daemon.start()
    daemon.load(images.busybox().archive("busybox:latest"))
    docker = docker_for(daemon, tmp_path)
    docker("network", "create", "--ipv6", "one")
    docker("network", "create", "-o", "com.docker.network.driver.mtu=1300", "two")
    pools = [daemon.api("GET", f"/networks/{name}").json()["IPAM"]["Config"] for name in ("one", "two")]
    assert [[pool["Subnet"] for pool in each] for each in pools] == [
        ["10.214.0.0/28", "fd00:214::/64"],
        ["10.214.0.16/28"],
    ]
    for name, mtu in (("one", 1290), ("two", 1300)):
        shown = docker("run", "--rm", "--network", name, "busybox", "ip", "link", "show", "eth0").out
        assert f"mtu {mtu} " in shown
    small = ("--ipv6", "-o", "com.docker.network.driver.mtu=1279")
    refused = docker("network", "create", *small, "three", code=1)
    assert "invalid MTU 1279: a network with IPv6 needs 1280 at least" in refused.err
    refused = docker("network", "create", "three", code=1)
    assert "all predefined address pools have been fully subnetted" in refused.err
    docker("network", "rm", "one")
    docker("network", "create", "three")
    assert daemon.api("GET", "/networks/three").json()["IPAM"]["Config"][0]["Subnet"] == "10.214.0.0/28"
    docker("network", "rm", "two", "three")
