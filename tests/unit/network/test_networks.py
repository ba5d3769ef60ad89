"""The service over fake drivers: records before kernel state, everything undone on failure, names and ids."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from havre.errors import Conflict, Forbidden, InvalidParameter, NotFound, SystemFault, Unavailable
from havre.lib.ids import new_id
from havre.network import records
from havre.network.model import Endpoint, EndpointRequest, Network, Pool, PortRequest
from havre.network.names import NameService
from havre.network.networks import Networks
from havre.network.settings import NetworkSettings
from havre.store import schema
from havre.store.db import Database
from havre.store.layout import Layout
from tests.fakes.network import FakeDriver

BOX = EndpointRequest(name="box", ports=(PortRequest(80),))


class Strict(FakeDriver):
    """Sees to it that the record is written before the kernel is touched, and fails on demand."""

    def __init__(self, name: str, database: Database) -> None:
        super().__init__(name)
        self.fails = False
        self._database = database

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path, default: Sequence[int]) -> None:
        assert endpoint in await self._database.read(records.endpoints)
        await super().attach(network, endpoint, sandbox, default)
        if self.fails:
            raise SystemFault("the kernel refuses")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "data", tmp_path / "exec")
    layout.prepare()
    return layout


@pytest.fixture
def database(layout: Layout) -> Iterable[Database]:
    database = Database.open(layout.database, {"networks": schema.ALL["networks"]})
    yield database
    database.close()


def make(database: Database, layout: Layout) -> tuple[Networks, Strict]:
    bridge = Strict("bridge", database)
    others = [FakeDriver("host"), FakeDriver("null")]
    return Networks(database, NetworkSettings(), layout, lambda *_: [bridge, *others]), bridge


@pytest.fixture
async def driver_and_networks(database: Database, layout: Layout) -> AsyncIterator[tuple[Strict, Networks]]:
    networks, driver = make(database, layout)
    await networks.start()
    yield driver, networks
    await networks.stop()


@pytest.fixture
def networks(driver_and_networks: tuple[Strict, Networks]) -> Networks:
    return driver_and_networks[1]


@pytest.fixture
def driver(driver_and_networks: tuple[Strict, Networks]) -> Strict:
    return driver_and_networks[0]


async def test_dockers_three_are_there_and_stay_the_same(database: Database, layout: Layout) -> None:
    found = []
    for _ in range(2):
        networks, _ = make(database, layout)
        await networks.start()
        found.append([(each.id, each.name, each.driver, each.created_ns) for each in networks.all()])
        await networks.stop()
    assert found[0] == found[1]
    assert [each[1:3] for each in found[0]] == [("bridge", "bridge"), ("host", "host"), ("none", "null")]


async def test_connect_and_disconnect(networks: Networks, driver: Strict, database: Database) -> None:
    endpoint = await networks.connect("c1", "bridge", BOX)
    assert networks.endpoints_of("c1") == [endpoint] == networks.endpoints_on(endpoint.network_id)
    assert driver.attached == {endpoint.endpoint_id}
    await networks.disconnect("c1", "bridge")
    assert networks.endpoints_of("c1") == [] == await database.read(records.endpoints)
    assert driver.attached == set()
    await networks.disconnect("c1", "bridge")


async def test_a_failed_connect_is_undone(networks: Networks, driver: Strict, database: Database) -> None:
    driver.fails = True
    with pytest.raises(SystemFault, match="the kernel refuses"):
        await networks.connect("c1", "bridge", BOX)
    assert driver.attached == set() and driver.calls[-1] == "detach"
    assert networks.endpoints_of("c1") == [] == await database.read(records.endpoints)
    driver.fails = False
    await networks.connect("c1", "bridge", BOX)


async def test_what_is_refused(networks: Networks) -> None:
    await networks.connect("c1", "bridge", BOX)
    with pytest.raises(Forbidden, match="endpoint with name box already exists in network bridge"):
        await networks.connect("c1", "bridge", BOX)
    with pytest.raises(InvalidParameter, match="user specified IP address is supported on user defined networks only"):
        await networks.connect("c2", "bridge", EndpointRequest(ipv4="10.88.0.9"))
    with pytest.raises(InvalidParameter, match="network-scoped alias is supported only for containers in user defined"):
        await networks.connect("c2", "bridge", EndpointRequest(aliases=("db",)))
    with pytest.raises(NotFound, match="network lan not found"):
        await networks.connect("c2", "lan", BOX)


async def test_a_container_that_fails_while_it_connects_a_second_time(networks: Networks, driver: Strict) -> None:
    first = await networks.connect("c1", "bridge", BOX)
    with pytest.raises(Forbidden):
        await networks.connect("c1", "bridge", BOX)
    assert networks.endpoints_of("c1") == [first] and driver.attached == {first.endpoint_id}


async def test_references(networks: Networks) -> None:
    bridge = networks.get("bridge")
    assert networks.get(bridge.id) is networks.get(bridge.id[:20]) is networks.get("default") is bridge
    with pytest.raises(NotFound):
        networks.get("")
    with pytest.raises(NotFound):
        networks.get("bridg")


async def test_records_of_dead_sandboxes_go_at_the_start(database: Database, layout: Layout) -> None:
    networks, _ = make(database, layout)
    await networks.start()
    await networks.connect("c1", "bridge", BOX)
    await networks.connect("c2", "host", EndpointRequest())
    again, driver = make(database, layout)
    await again.start()
    assert again.endpoints_of("c1") == [] and driver.attached == set()
    assert len(again.endpoints_of("c2")) == 1, "the host's network needs no namespace"
    await again.live(set())
    assert await database.read(records.endpoints) == []
    await again.stop()
    await networks.stop()


async def test_stop_closes_or_leaves(database: Database, layout: Layout) -> None:
    networks, driver = make(database, layout)
    await networks.start()
    await networks.connect("c1", "bridge", BOX)
    await networks.stop()
    assert driver.calls[-1] == "leave"
    networks, driver = make(database, layout)
    await networks.start()
    await networks.stop()
    assert driver.calls[-1] == "close"


def lan(name: str = "lan", subnet: str = "10.1.0.0/24", **more: Any) -> Network:
    return Network(new_id(), name, "bridge", 1, pools=(Pool(subnet, "10.1.0.1", asked=True),), **more)


async def test_a_network_that_fails_to_open_is_none(
    networks: Networks, driver: Strict, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise SystemFault("the kernel refuses")

    with monkeypatch.context() as patched:
        patched.setattr(driver, "open", refuse)
        with pytest.raises(SystemFault):
            await networks.create(lan())
    assert driver.calls[-1] == "close" and networks.find("lan") is None
    assert len(await database.read(records.networks)) == 3
    await networks.create(lan())


async def test_networks_of_the_users_come_again(database: Database, layout: Layout) -> None:
    networks, _ = make(database, layout)
    await networks.start()
    made = await networks.create(lan(labels={"a": "b"}))
    await networks.stop()
    again, _ = make(database, layout)
    await again.start()
    assert again.get("lan") == made and [each.name for each in again.all()] == ["bridge", "host", "none", "lan"]
    await again.remove(made)
    with pytest.raises(NotFound):
        await again.remove(made)
    await again.stop()
    assert [each.name for each, _ in await database.read(records.networks)] == ["bridge", "host", "none"]


async def test_a_name_is_free_when_its_network_is_gone(networks: Networks, database: Database) -> None:
    for _ in range(3):
        made = await networks.create(lan())
        removal = asyncio.ensure_future(networks.remove(made))
        await asyncio.sleep(0)
        again = await networks.create(lan())
        await removal
        assert networks.get("lan") is again and len(await database.read(records.networks)) == 4
        await networks.remove(again)


async def test_one_that_cannot_be_set_up_does_not_stop_the_daemon(database: Database, layout: Layout) -> None:
    networks, _ = make(database, layout)
    await networks.start()
    await networks.create(lan())
    await networks.connect("c1", "lan", BOX)
    await database.write(lambda connection: records.put_network(connection, replace(networks.get("lan"), driver="odd")))
    await networks.stop()
    again, _ = make(database, layout)
    await again.start()
    with pytest.raises(Unavailable, match='network lan could not be set up: plugin "odd" not found'):
        await again.connect("c1", "lan", BOX)
    assert again.usable("bridge") and not again.usable("lan") and not again.usable("nothing")
    await again.remove(again.get("lan"))
    assert await database.read(records.endpoints) == []
    await again.stop()


async def test_ports_move_and_names_change(networks: Networks, driver: Strict, database: Database) -> None:
    await networks.create(lan("a"))
    first = await networks.connect("c1", "bridge", replace(BOX, names=("box", "db")))
    assert first.ports and first.interface == "eth0"
    second = await networks.connect("c1", "a", replace(BOX, names=("box", "db")))
    assert (second.interface, second.ports) == ("eth1", first.ports)
    assert [len(each.ports) for each in networks.endpoints_of("c1")] == [0, 1]
    await networks.rename("c1", "box", "crate")
    assert [each.names for each in networks.endpoints_of("c1")] == [("crate", "db")] * 2
    assert await database.read(records.endpoints) == networks.endpoints_of("c1")
    await networks.sandbox_remove("c1")
    assert driver.attached == set()


async def test_the_service_of_names_is_told(database: Database, layout: Layout) -> None:
    names = Mock(NameService, address="127.0.0.11")
    kinds = [Strict("bridge", database), FakeDriver("host"), FakeDriver("null")]
    networks = Networks(database, NetworkSettings(), layout, lambda *_: kinds, names)
    await networks.start()
    await networks.connect("c1", "bridge", BOX)
    assert names.changed.call_count == 1
    await networks.sandbox_remove("c1")
    names.detach.assert_awaited_with("c1")
    assert names.changed.call_count == 2
    await networks.stop()
    names.close.assert_awaited_once()


def test_old_records_are_taken_over(layout: Layout) -> None:
    first, second = schema.ALL["networks"]
    database = Database.open(layout.database, {"networks": (first,)})
    old = {"id": "n", "name": "bridge", "driver": "bridge", "created_ns": 7, "subnet": "172.29.0.0/16"}
    old |= {"gateway": "172.29.0.1", "interface": "havre0", "options": {"owned": "true"}}
    bare = {"id": "h", "name": "host", "driver": "host", "created_ns": 8, "subnet": "", "gateway": "", "options": {}}
    insert = "INSERT INTO networks (id, name, cursor, body) VALUES (?, ?, 9, ?)"
    for each in (old, bare):
        row = (each["id"], each["name"], msgspec.json.encode(each))
        database.read_now(lambda connection, row=row: connection.execute(insert, row))  # type: ignore[misc]
    database.close()
    database = Database.open(layout.database, {"networks": (first, second)})
    assert database.read_now(records.networks) == [
        (
            Network(
                "n", "bridge", "bridge", 7, "havre0", (Pool("172.29.0.0/16", "172.29.0.1"),), state={"owned": "true"}
            ),
            9,
        ),
        (Network("h", "host", "host", 8), 9),
    ]
    database.close()


async def test_ports_come_and_go(driver_and_networks: tuple[Strict, Networks], database: Database) -> None:
    driver, networks = driver_and_networks
    await networks.connect("c1", "bridge", BOX)
    more = (PortRequest(81, "tcp", "127.0.0.1", 8081, 8081), PortRequest(53, "udp"))
    ports = await networks.publishing.add("c1", more)
    assert [(port.container_port, port.host_ip) for port in ports] == [(81, "127.0.0.1"), (53, "0.0.0.0")]
    (endpoint,) = await database.read(records.endpoints)
    assert [endpoint] == networks.endpoints_of("c1") and [port.container_port for port in endpoint.ports] == [
        80,
        81,
        53,
    ]
    await networks.publishing.remove("c1", lambda port: port.container_port != 81)
    assert [port.container_port for port in networks.endpoints_of("c1")[0].ports] == [81]
    assert driver.calls.count("give_up") == 1
    await networks.publishing.remove("c1", lambda port: port.proto == "sctp")
    assert driver.calls.count("republish") == 2
    with pytest.raises(Conflict, match="on no network"):
        await networks.publishing.add("c2", more)


async def test_ports_that_cannot_be_published_are_given_back(
    driver_and_networks: tuple[Strict, Networks], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, networks = driver_and_networks
    endpoint = await networks.connect("c1", "bridge", BOX)
    real, refused = driver.republish, [SystemFault("the kernel refuses")]

    async def republish(*arguments: Any) -> Endpoint:
        if refused:
            raise refused.pop()
        return await real(*arguments)

    monkeypatch.setattr(driver, "republish", republish)
    with pytest.raises(SystemFault, match="the kernel refuses"):
        await networks.publishing.add("c1", (PortRequest(81),))
    assert networks.endpoints_of("c1") == [endpoint] and driver.calls.count("give_up") == 1


async def test_ports_stay_where_they_can_be_published(database: Database, layout: Layout) -> None:
    """A network like macvlan leads out, but publishes nothing."""
    beside = FakeDriver("beside")
    beside.publishes = False
    kinds = [FakeDriver("bridge"), FakeDriver("host"), FakeDriver("null"), beside]
    networks = Networks(database, NetworkSettings(), layout, lambda *_: kinds)
    await networks.start()
    await networks.create(Network(new_id(), "a-lan", "beside", 1, pools=(Pool("10.2.0.0/24", "10.2.0.1"),)))
    await networks.connect("c1", "bridge", BOX)
    await networks.connect("c1", "a-lan", EndpointRequest(priority=9))
    assert [len(each.ports) for each in networks.endpoints_of("c1")] == [1, 0] and "republish" not in beside.calls
    await networks.connect("c2", "a-lan", EndpointRequest(priority=9))
    await networks.connect("c2", "bridge", BOX)
    assert [len(each.ports) for each in networks.endpoints_of("c2")] == [0, 1]
    await networks.stop()


async def test_bridges_are_opened_side_by_side(
    database: Database, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks, _ = make(database, layout)
    await networks.start()
    for number in range(5):
        pools = (Pool(f"10.2.{number}.0/24", f"10.2.{number}.1"),)
        await networks.create(Network(new_id(), f"n{number}", "bridge", number, pools=pools))
    names = [each.name for each in networks.all()]
    await networks.stop()
    again, driver = make(database, layout)
    opening = driver.open
    # The first of them is waited for by none: it is ready last.
    last = asyncio.Event()

    async def open(one: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        if one.name == "n0":
            await last.wait()
        await opening(one, endpoints, cursor)
        if one.name == "n4":
            last.set()

    monkeypatch.setattr(driver, "open", open)
    async with asyncio.timeout(30):
        await again.start()
    assert [each.name for each in again.all()] == names
    await again.stop()
