"""Many containers on one network at once, and a daemon that dies meanwhile: no address is lost or given twice, and all
are found by name.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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
