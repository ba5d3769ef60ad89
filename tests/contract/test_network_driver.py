"""What every network driver keeps to (``havre.network.driver.Driver``): the built-in ones, and the fake."""

import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from havre.lib.ids import new_id
from havre.lib.tasks import TaskOwner
from havre.network import sandbox
from havre.network.driver import Driver
from havre.network.drivers import builtin_drivers
from havre.network.drivers.host import HostDriver
from havre.network.drivers.none import NoneDriver
from havre.network.model import EndpointRequest, Network, PortRequest
from havre.network.settings import NetworkSettings
from tests.fakes.network import FakeDriver
from tests.system import netlab

_REAL = ("bridge", "macvlan")
REQUEST = EndpointRequest(name="box", ports=(PortRequest(80, "tcp", "127.0.0.1", 18080, 18080), PortRequest(53, "udp")))


@dataclass
class Stage:
    """A driver, a network that is open on it, and a container's namespace."""

    driver: Driver
    network: Network
    netns: Path


@pytest.fixture(params=["fake", "none", "host", "bridge", "bridge without firewall", "macvlan"])
def kind(request: pytest.FixtureRequest) -> str:
    if str(request.param).startswith(_REAL) and os.geteuid() != 0:
        pytest.skip("the driver needs root")
    return str(request.param)


@pytest.fixture
def place(kind: str, tmp_path: Path) -> Iterator[Path]:
    """Where the driver may work: if it is a real one, in a host of its own."""
    if not kind.startswith(_REAL):
        yield tmp_path / "netns"
        return
    (tmp_path / "lab").mkdir()
    lab = netlab.Lab(tmp_path / "lab")
    try:
        with netlab.entered(lab.host):
            lab.wire()
            sandbox.create(tmp_path / "netns")
            yield tmp_path / "netns"
    finally:
        sandbox.remove(tmp_path / "netns")
        lab.close()


@pytest.fixture
async def stage(kind: str, place: Path) -> AsyncIterator[Stage]:
    tasks = TaskOwner("contract")
    with ThreadPoolExecutor(2) as executor:
        driver: Driver
        options = {"parent": "wan0"} if kind == "macvlan" else {}
        if kind.startswith(_REAL):
            settings = NetworkSettings(firewall=kind == "bridge")
            drivers = {each.name: each for each in builtin_drivers(settings, executor, tasks)}
            driver = drivers[kind.partition(" ")[0]]
        else:
            driver = {"fake": FakeDriver, "none": NoneDriver, "host": HostDriver}[kind]()
        network = await driver.choose(Network(new_id(), "bridge", driver.name, 1, options=options), in_use=False)
        await driver.open(network, [], 0)
        yield Stage(driver, network, place)
        await tasks.close()


@pytest.fixture
def request_(kind: str) -> EndpointRequest:
    return EndpointRequest(name="box") if kind == "bridge without firewall" else REQUEST


async def test_choice_is_complete_and_stable(stage: Stage) -> None:
    again = await stage.driver.choose(stage.network, in_use=True)
    await stage.driver.open(again, [], 0)
    assert again == stage.network
    assert bool(again.subnet) == bool(again.gateway)


async def test_a_whole_life(stage: Stage, request_: EndpointRequest) -> None:
    driver, network = stage.driver, stage.network
    endpoint = driver.plan(network, "c1", request_)
    assert (endpoint.network_id, endpoint.network_name, endpoint.container_id) == (network.id, "bridge", "c1")
    assert bool(endpoint.ip_address) == bool(network.subnet) == bool(endpoint.prefix_len)
    await driver.attach(network, endpoint, stage.netns, (4, 6))
    await driver.detach(network, endpoint, stage.netns)
    driver.release(network, endpoint)
    await driver.close(network)


async def test_plans_are_apart(stage: Stage) -> None:
    plans = [stage.driver.plan(stage.network, f"c{number}", EndpointRequest()) for number in range(10)]
    assert len({plan.endpoint_id for plan in plans}) == 10
    if stage.network.subnet:
        assert len({plan.ip_address for plan in plans}) == len({plan.mac for plan in plans}) == 10
        assert stage.network.gateway not in {plan.ip_address for plan in plans}
    for plan in plans:
        stage.driver.release(stage.network, plan)


async def test_detach_is_right_at_any_stage(stage: Stage, request_: EndpointRequest) -> None:
    never = stage.driver.plan(stage.network, "c1", request_)
    await stage.driver.detach(stage.network, never, stage.netns)
    stage.driver.release(stage.network, never)
    twice = stage.driver.plan(stage.network, "c1", request_)
    await stage.driver.attach(stage.network, twice, stage.netns, (4,))
    await stage.driver.detach(stage.network, twice, stage.netns, alive=True)
    await stage.driver.detach(stage.network, twice, stage.netns)
    stage.driver.release(stage.network, twice)


async def test_a_daemons_restart(stage: Stage, request_: EndpointRequest) -> None:
    driver, network = stage.driver, stage.network
    endpoint = driver.plan(network, "c1", request_)
    await driver.attach(network, endpoint, stage.netns, (4, 6))
    cursor = driver.cursor(network)
    await driver.leave(network)
    chosen = await driver.choose(network, in_use=True)
    await driver.open(chosen, [endpoint], cursor)
    assert chosen == network
    other = driver.plan(network, "c2", EndpointRequest())
    assert not other.ip_address or other.ip_address != endpoint.ip_address
    for each in (endpoint, other):
        await driver.detach(network, each, stage.netns)
        driver.release(network, each)
    await driver.close(network)


async def test_there_is_nothing_to_mend(stage: Stage, request_: EndpointRequest) -> None:
    endpoint = stage.driver.plan(stage.network, "c1", request_)
    await stage.driver.attach(stage.network, endpoint, stage.netns, (4, 6))
    assert await stage.driver.mend(stage.network) == []
    assert not await stage.driver.lost(stage.network, endpoint)
    await stage.driver.detach(stage.network, endpoint, stage.netns)
    stage.driver.release(stage.network, endpoint)


async def test_closed_twice_is_closed(stage: Stage) -> None:
    await stage.driver.close(stage.network)
    await stage.driver.close(stage.network)
