"""Docker's verbs for networks: the documents, the filters, the refusals."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from havre.engine.networks import NetworkVerbs
from havre.engine.portreasons import PortReasons
from havre.errors import Conflict, Forbidden, InvalidParameter, NotFound
from havre.network.model import EndpointRequest, PortRequest
from havre.network.networks import Networks
from havre.network.settings import NetworkSettings
from havre.store import schema
from havre.store.db import Database
from havre.store.layout import Layout
from havre.wire.filters import Filters
from havre.wire.networks import IPAM, ConfigReference, IPAMConfig, NetworkCreate
from tests.fakes.network import FakeDriver

_IPV6 = "com.docker.network.enable_ipv6"


@pytest.fixture
async def networks(tmp_path: Path) -> AsyncIterator[Networks]:
    layout = Layout(tmp_path / "data", tmp_path / "exec")
    layout.prepare()
    database = Database.open(layout.database, {"networks": schema.ALL["networks"]})
    kinds = [FakeDriver("bridge"), FakeDriver("host"), FakeDriver("null")]
    networks = Networks(database, NetworkSettings(), layout, lambda *_: kinds)
    await networks.start()
    yield networks
    await networks.stop()
    database.close()


class Told:
    """What was published."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, dict[str, str]]] = []

    def publish(self, type: str, action: str, actor_id: str, attributes: dict[str, str] | None = None) -> None:
        self.events.append((type, action, actor_id, attributes or {}))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def verbs(networks: Networks, told: Told) -> NetworkVerbs:
    return NetworkVerbs(networks, {"c1": "box"}.get, Mock(), told)  # type: ignore[arg-type]


def names(verbs: NetworkVerbs, **filters: str) -> list[str]:
    return [each["Name"] for each in verbs.list(Filters({name: [value] for name, value in filters.items()}))]


async def test_inspect_shows_who_is_there(networks: Networks, verbs: NetworkVerbs) -> None:
    endpoint = await networks.connect("c1", "bridge", EndpointRequest(name="box"))
    found = verbs.inspect("bridge")
    assert found["Containers"] == {
        "c1": {
            "Name": "box",
            "EndpointID": endpoint.endpoint_id,
            "MacAddress": "02:42:0a:58:00:02",
            "IPv4Address": "10.88.0.2/16",
            "IPv6Address": "",
        }
    }
    assert found["IPAM"] == {
        "Driver": "default",
        "Options": None,
        "Config": [{"Subnet": "10.88.0.0/16", "Gateway": "10.88.0.1"}],
    }
    assert found["Options"]["com.docker.network.bridge.name"] == "fake0"
    assert found["Created"].endswith("Z") and found["Scope"] == "local" and found["Labels"] == {}


async def test_the_list_shows_nobody(networks: Networks, verbs: NetworkVerbs) -> None:
    await networks.connect("c1", "bridge", EndpointRequest())
    assert [each["Containers"] for each in verbs.list(Filters())] == [{}, {}, {}]


async def test_filters(networks: Networks, verbs: NetworkVerbs) -> None:
    assert names(verbs) == ["bridge", "host", "none"]
    assert names(verbs, name="o") == ["host", "none"]
    assert names(verbs, driver="null") == ["none"]
    assert names(verbs, id=networks.get("host").id[:12]) == ["host"]
    assert names(verbs, type="builtin") == ["bridge", "host", "none"]
    assert names(verbs, type="custom") == names(verbs, scope="swarm") == names(verbs, label="a") == []
    assert names(verbs, dangling="true") == [] and len(names(verbs, dangling="false")) == 3
    for wrong in ({"type": "odd"}, {"colour": "red"}, {"dangling": "perhaps"}):
        with pytest.raises(InvalidParameter, match=r"invalid (value for )?filter"):
            names(verbs, **wrong)
    with pytest.raises(InvalidParameter, match='got more than one value for filter key "dangling"'):
        verbs.list(Filters({"dangling": ["1", "0"]}))


async def test_prune_keeps_dockers_own_and_those_in_use(networks: Networks, verbs: NetworkVerbs, told: Told) -> None:
    assert await verbs.prune(Filters({"until": ["24h"]})) == {"NetworksDeleted": None}
    with pytest.raises(InvalidParameter):
        await verbs.prune(Filters({"name": ["x"]}))
    await verbs.create(NetworkCreate(name="used", ipam=subnets("10.1.0.0/24")))
    await verbs.create(NetworkCreate(name="idle", ipam=subnets("10.2.0.0/24"), labels={"a": "b"}))
    await networks.connect("c1", "used", EndpointRequest(name="box"))
    assert names(verbs, dangling="true") == ["idle"] and names(verbs, type="custom") == ["used", "idle"]
    assert await verbs.prune(Filters({"label!": ["a"]})) == {"NetworksDeleted": None}
    assert await verbs.prune(Filters({"label": ["a=b"]})) == {"NetworksDeleted": ["idle"]}
    assert [event[1] for event in told.events] == ["prune", "create", "create", "prune", "destroy", "prune"]


def subnets(*texts: str, **options: Any) -> IPAM:
    return IPAM(config=[IPAMConfig(subnet=text, **options) for text in texts])


async def test_create_and_remove(networks: Networks, verbs: NetworkVerbs, told: Told) -> None:
    asked = IPAM(
        config=[
            IPAMConfig(subnet="10.1.0.0/24", ip_range="10.1.0.128/25", auxiliary_addresses={"x": "10.1.0.129"}),
            IPAMConfig(subnet="fd00::/64", gateway="fd00::9"),
        ]
    )
    made = await verbs.create(NetworkCreate(name="lan", enable_ipv6=True, ipam=asked, internal=True, labels={"a": "b"}))
    found = verbs.inspect(made["Id"])
    assert found["IPAM"]["Config"] == [
        {"Subnet": "10.1.0.0/24", "IPRange": "10.1.0.128/25", "AuxiliaryAddresses": {"x": "10.1.0.129"}},
        {"Subnet": "fd00::/64", "Gateway": "fd00::9"},
    ]
    assert (found["Internal"], found["EnableIPv6"], found["Labels"]) == (True, True, {"a": "b"})
    await networks.connect("c1", "lan", EndpointRequest(name="box"))
    with pytest.raises(Forbidden, match=r'network lan has active endpoints \(name:"box" id:"[0-9a-f]{12}"\)'):
        await verbs.remove("lan")
    await networks.disconnect("c1", "lan")
    await verbs.remove("lan")
    assert names(verbs) == ["bridge", "host", "none"]
    assert [(event[1], event[3]) for event in told.events] == [
        ("create", {"name": "lan", "type": "bridge"}),
        ("destroy", {"name": "lan", "type": "bridge"}),
    ]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (IPAMConfig(subnet="10.1.2.3/24"), "invalid subnet 10.1.2.3/24: it should be 10.1.2.0/24"),
        (IPAMConfig(subnet="10.1.2.0"), "invalid subnet 10.1.2.0: invalid CIDR block notation"),
        (IPAMConfig(subnet="fd00::%x/64"), "invalid subnet fd00::%x/64: invalid CIDR block notation"),
        (IPAMConfig(subnet="::/0"), "invalid subnet ::/0: it has a meaning of its own"),
        (IPAMConfig(subnet="127.0.0.0/24"), "invalid subnet 127.0.0.0/24: it has a meaning of its own"),
        (IPAMConfig(subnet="fd00::/64", gateway="fd00::1%x"), "invalid gateway fd00::1%x: invalid address"),
        (IPAMConfig(gateway="10.1.2.1"), "invalid subnet : invalid CIDR block notation"),
        (
            IPAMConfig(subnet="10.1.2.0/24", gateway="10.1.3.1"),
            "invalid gateway 10.1.3.1: parent subnet 10.1.2.0/24 doesn't contain this address",
        ),
        (IPAMConfig(subnet="10.1.2.0/24", gateway="x"), "invalid gateway x: invalid address"),
        (
            IPAMConfig(subnet="10.1.2.0/24", ip_range="10.1.3.0/25"),
            "invalid ip-range 10.1.3.0/25: parent subnet 10.1.2.0/24 doesn't contain ip-range",
        ),
        (
            IPAMConfig(subnet="10.1.2.0/24", ip_range="10.1.2.0/16"),
            "* invalid ip-range 10.1.2.0/16: CIDR block is bigger than its parent subnet 10.1.2.0/24\n"
            "* invalid ip-range 10.1.2.0/16: it should be 10.1.0.0/16",
        ),
        (
            IPAMConfig(subnet="10.1.2.0/24", auxiliary_addresses={"a": "10.2.2.2"}),
            "invalid auxiliary address a: parent subnet 10.1.2.0/24 doesn't contain this address",
        ),
    ],
)
async def test_what_is_wrong_with_subnets(verbs: NetworkVerbs, config: IPAMConfig, problem: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        await verbs.create(NetworkCreate(name="lan", ipam=IPAM(config=[config])))
    assert caught.value.message == f"invalid network config:\n{problem}"


async def test_refusals(networks: Networks, verbs: NetworkVerbs) -> None:
    with pytest.raises(Forbidden, match="bridge is a pre-defined network and cannot be removed"):
        await verbs.remove("bridge")
    with pytest.raises(NotFound, match="network lan not found"):
        verbs.inspect("lan")
    await verbs.create(NetworkCreate(name="lan", ipam=subnets("10.1.0.0/24")))
    for body, error, text in (
        (NetworkCreate(name="host"), Forbidden, "operation is not permitted on predefined host network "),
        (NetworkCreate(), InvalidParameter, "invalid name: name is empty"),
        (NetworkCreate(name="lan"), Conflict, "network with name lan already exists"),
        (NetworkCreate(name="x", driver="odd"), NotFound, 'plugin "odd" not found'),
        (NetworkCreate(name="x", driver="overlay"), Forbidden, "not a swarm manager"),
        (NetworkCreate(name="x", ingress=True), Forbidden, "Ingress network"),
        (NetworkCreate(name="x", scope="swarm"), Forbidden, "swarm is not active"),
        (NetworkCreate(name="x", ipam=IPAM(driver="odd")), NotFound, 'plugin "odd" not found'),
        (NetworkCreate(name="x", ipam=IPAM(driver="null")), InvalidParameter, "ipv4 pool is empty"),
        (NetworkCreate(name="x", options={_IPV6: "perhaps"}), InvalidParameter, "is not a valid bool"),
        (NetworkCreate(name="x", enable_ipv4=False), InvalidParameter, "IPv4 or IPv6 must be enabled"),
        (NetworkCreate(name="x", ipam=subnets("10.1.0.0/16")), Forbidden, "Pool overlaps with other one"),
    ):
        with pytest.raises(error, match=text):
            await verbs.create(body)
    assert names(verbs) == ["bridge", "host", "none", "lan"]


async def test_configurations(networks: Networks, told: Told) -> None:
    """What Docker calls a configuration only network: others are made from it, and nobody is on it."""
    verbs = NetworkVerbs(networks, {"c1": "box"}.get, Mock(), told, {"bridge": {"mtu": "1400"}})  # type: ignore[arg-type]
    six = {_IPV6: "true"}
    await verbs.create(
        NetworkCreate(name="conf", config_only=True, ipam=subnets("10.7.0.0/24"), labels={"a": "b"}, options=six)
    )
    found = verbs.inspect("conf")
    assert (found["Driver"], found["ConfigOnly"], found["EnableIPv6"]) == ("null", True, True) and "Status" not in found
    assert found["Options"] == {**six, "mtu": "1400"} and found["Containers"] == {}
    use = ConfigReference(network="conf")
    await verbs.create(NetworkCreate(name="lan", config_from=use, internal=True))
    made = verbs.inspect("lan")
    assert (made["ConfigFrom"], made["ConfigOnly"], made["Internal"]) == ({"Network": "conf"}, False, True)
    assert (made["Labels"], made["EnableIPv6"], made["Options"]) == ({"a": "b"}, True, found["Options"])
    assert made["IPAM"]["Config"][0]["Subnet"] == "10.7.0.0/24"
    for body, error, text in (
        (NetworkCreate(name="x", config_from=use), Forbidden, "Pool overlaps"),
        (NetworkCreate(name="x", config_from=ConfigReference(network="lan")), NotFound, '"lan" does not exist'),
        (NetworkCreate(name="x", config_from=use, options={"a": "b"}), Forbidden, "network driver options are not"),
        (NetworkCreate(name="x", config_from=use, labels={"a": "b"}), Forbidden, "user specified configurations"),
        (NetworkCreate(name="x", config_from=use, enable_ipv6=True), Forbidden, "user specified configurations"),
        (NetworkCreate(name="x", config_from=use, config_only=True), Forbidden, "cannot depend on another"),
        (NetworkCreate(name="x", config_only=True, internal=True), Forbidden, "Network operator fields like"),
    ):
        with pytest.raises(error, match=text):
            await verbs.create(body)
    with pytest.raises(Forbidden, match="cannot create endpoint on configuration-only network"):
        await networks.connect("c1", "conf", EndpointRequest(name="box"))
    with pytest.raises(Forbidden, match=r'^error while removing network: configuration network "conf" is in use$'):
        await verbs.remove("conf")
    assert await verbs.prune(Filters()) == {"NetworksDeleted": ["lan"]}
    assert names(verbs, dangling="true") == ["conf"]
    await verbs.create(NetworkCreate(name="own", ipam=subnets("10.7.0.0/24"), options={"x": "y"}))
    assert verbs.inspect("own")["Options"] == {"mtu": "1400", "x": "y"}
    await verbs.remove("conf")


async def test_why_a_port_is_reached(networks: Networks) -> None:
    reasons = PortReasons(networks, {"c1": "box"}.__getitem__, lambda: ([("ip", "filter", "FORWARD")], []))
    with pytest.raises(NotFound, match="no running container publishes port 8080"):
        await reasons.why("8080")
    await networks.connect("c1", "bridge", EndpointRequest(ports=(PortRequest(80, "tcp", "", 8080, 8080),)))
    (found,) = await reasons.why("8080")
    assert (found["Container"], found["ContainerName"], found["Target"]) == ("c1", "box", "10.88.0.2:80")
    assert found["Rule"] == "table inet havre_fake0, map published: tcp . 8080 : 10.88.0.2 . 80"
    assert "chain FORWARD of table ip filter" in found["Reach"][-1]
    assert await reasons.why("8080/tcp") == [found]
    with pytest.raises(NotFound):
        await reasons.why("8080/udp")
    with pytest.raises(InvalidParameter):
        await reasons.why("web")
