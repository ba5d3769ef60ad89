"""Ports added to and removed from a container: its record, and what the network room is asked."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from havre.engine.container.publish import Publisher
from havre.engine.container.record import RUNNING, Container
from havre.engine.container.registry import Registry
from havre.errors import Conflict, InvalidParameter, NotFound
from havre.network.model import EndpointRequest
from havre.network.networks import Networks
from havre.network.settings import NetworkSettings
from havre.store.db import Database
from havre.store.layout import Layout
from havre.store.schema import ALL as SCHEMAS
from havre.wire.containers import EndpointSettings, HostConfig, PortBinding
from tests.fakes.network import FakeDriver
from tests.unit.engine.container.test_registry import container

WEB = {"80": [PortBinding("127.0.0.1", "8080")]}


class Stage:
    """One container, and what changes its ports."""

    def __init__(self, registry: Registry, networks: Networks) -> None:
        self.registry = registry
        self.networks = networks
        self.publisher = Publisher(registry, networks)

    async def container(self, *, running: bool, mode: str = "bridge") -> Container:
        one = container("abc1", "web")
        one = one.replace(host=HostConfig(network_mode=mode), endpoints={"bridge": EndpointSettings()})
        if running:
            one = one.replace(state=msgspec.structs.replace(one.state, status=RUNNING))
            await self.networks.connect(one.id, "bridge", EndpointRequest(name=one.name))
        return await self.registry.save(one)

    def asked(self, one: Container) -> object:
        return self.registry.current(one.id).host.port_bindings


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    layout = Layout(tmp_path / "data", tmp_path / "exec")
    layout.prepare()
    database = Database.open(layout.database, SCHEMAS)
    kinds = [FakeDriver("bridge"), FakeDriver("host"), FakeDriver("null")]
    networks = Networks(database, NetworkSettings(), layout, lambda *_: kinds)
    await networks.start()
    yield Stage(Registry(database), networks)
    await networks.stop()
    database.close()


async def test_while_it_runs(stage: Stage) -> None:
    one = await stage.container(running=True)
    told = await stage.publisher.add(one.name, WEB)
    assert told == {"Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}}
    assert stage.asked(one) == {"80/tcp": [PortBinding("127.0.0.1", "8080")]}
    await stage.publisher.add(one.name, {"80/tcp": [PortBinding("", "81")], "53/udp": None})
    assert len(stage.networks.endpoints_of(one.id)[0].ports) == 3
    told = await stage.publisher.remove(one.name, "80")
    assert list(told["Ports"]) == ["53/udp"] and stage.asked(one) == {"53/udp": [PortBinding()]}
    assert list(stage.registry.current(one.id).ports) == ["53/udp"]
    with pytest.raises(NotFound, match=r"port 80/tcp of container web is not published"):
        await stage.publisher.remove(one.name, "80/tcp")


async def test_what_is_there_already(stage: Stage) -> None:
    one = await stage.container(running=True)
    first = await stage.publisher.add(one.name, WEB)
    assert await stage.publisher.add(one.name, WEB) == first
    assert stage.asked(one) == {"80/tcp": [PortBinding("127.0.0.1", "8080")]}
    assert len(stage.networks.endpoints_of(one.id)[0].ports) == 1


async def test_one_of_all_exposed_ports(stage: Stage) -> None:
    one = await stage.container(running=False)
    config = msgspec.structs.replace(one.config, exposed_ports={"80/tcp": {}, "53/udp": {}})
    host = msgspec.structs.replace(one.host, publish_all_ports=True)
    one = await stage.registry.save(one.replace(config=config, host=host))
    await stage.publisher.remove(one.name, "80")
    assert stage.asked(one) == {"53/udp": [PortBinding()]}
    assert not stage.registry.current(one.id).host.publish_all_ports


async def test_before_it_starts(stage: Stage) -> None:
    one = await stage.container(running=False)
    assert await stage.publisher.add(one.name, WEB) == {"Ports": {}}
    assert stage.asked(one) == {"80/tcp": [PortBinding("127.0.0.1", "8080")]}
    await stage.publisher.remove(one.name, "80")
    assert stage.asked(one) == {}


async def test_what_is_refused(stage: Stage) -> None:
    one = await stage.container(running=True)
    for wrong in ({"x": None}, {"80": [PortBinding("x", "")]}, {"80": [PortBinding("", "9-8")]}, {}):
        with pytest.raises(InvalidParameter):
            await stage.publisher.add(one.name, wrong)
    assert stage.asked(one) is None and stage.networks.endpoints_of(one.id)[0].ports == ()
    with pytest.raises(NotFound):
        await stage.publisher.add("nobody", WEB)


async def test_a_container_without_a_network_of_its_own(stage: Stage) -> None:
    one = await stage.container(running=False, mode="host")
    with pytest.raises(Conflict, match=r"has no network of its own \(host\)"):
        await stage.publisher.add(one.name, WEB)
