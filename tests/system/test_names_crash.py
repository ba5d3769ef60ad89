"""Daemon and resolver killed at any time, while containers come and go: names are right afterwards, nothing is left."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.system import images
from tests.system.conftest import NewDaemon
from tests.system.faults import surviving
from tests.system.harness import Havred, wait_until
from tests.system.nameservers import datagram
from tests.unit.network.dns.questions import ask, read

ROUNDS = 8
RUN = {"Image": "busybox", "Cmd": ["sleep", "100000"], "HostConfig": {"NetworkMode": "names"}}


class Witness:
    """A container that asks for its neighbour's name all the time, and minds answers that are wrong, not late ones."""

    def __init__(self, place: Path, address: str) -> None:
        self.place = place
        self.wrong: list[object] = []
        self.answers = 0
        self._address = address
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._ended.wait(0.005):
            try:
                found = read(datagram(self.place, ask("neighbour")))
            except ConnectionRefusedError:
                continue  # the resolver was killed, and is not back yet
            self.answers += 1
            if found.addresses != [self._address]:
                self.wrong.append(found)


def run(daemon: Havred, name: str) -> str:
    id: str = daemon.api("POST", "/containers/create", RUN, name=name).json()["Id"]
    daemon.ids_seen.add(id)
    assert daemon.api("POST", f"/containers/{id}/start").status == 204
    return id


def names(daemon: Havred) -> dict[str, str]:
    """The addresses of the containers that run."""
    running = [each for each in daemon.containers() if each["State"] == "running"]
    return {each["Names"][0].lstrip("/"): each["NetworkSettings"]["Networks"]["names"]["IPAddress"] for each in running}


@pytest.mark.timeout(300)
def test_kills_of_any_kind(new_havred: NewDaemon) -> None:
    daemon, chance = new_havred(), random.Random()
    daemon.start()
    daemon.load(images.busybox().archive("busybox:latest"))
    daemon.api("POST", "/networks/create", {"Name": "names"})
    place = daemon.exec_root / "netns" / run(daemon, "witness")
    run(daemon, "neighbour")
    witness = Witness(place, names(daemon)["neighbour"])
    try:
        for number in range(ROUNDS):
            _round(daemon, chance, number)
            expected = names(daemon)
            wait_until(lambda: _known(place, number) == expected, "names to be right", lambda: f"{expected}")  # noqa: B023
    finally:
        witness.end()
    assert not witness.wrong and witness.answers > 100


def _round(daemon: Havred, chance: random.Random, number: int) -> None:
    """Start and remove containers; somebody dies meanwhile."""

    def work() -> None:
        with surviving():
            run(daemon, f"round{number}")
            daemon.api("DELETE", f"/containers/round{number - 1}?force=1")

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(chance.random() * 0.4)
    victims = chance.choice(("daemon", "resolver", "both"))
    if victims != "daemon":
        os.kill(int((daemon.exec_root / "names.pid").read_text().split()[0]), signal.SIGKILL)
    if victims != "resolver":
        daemon.kill()
        thread.join()
        daemon.start()
    thread.join()


def _known(place: Path, last: int) -> dict[str, str]:
    """Who is found, of all that ever were."""
    found = {}
    for name in ("witness", "neighbour", *(f"round{number}" for number in range(last + 1))):
        try:
            addresses = read(datagram(place, ask(name))).addresses
        except ConnectionRefusedError:
            return {}
        if addresses:
            found[name] = addresses[0]
    return found
