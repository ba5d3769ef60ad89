"""Docker's verbs for networks: the documents, the filters, the refusals."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from havre.engine.networks import NetworkVerbs
from havre.errors import Forbidden, InvalidParameter, NotFound, Unsupported
from havre.network.model import EndpointRequest
from havre.network.networks import Networks
from havre.network.settings import NetworkSettings
from havre.store import schema
from havre.store.db import Database
from havre.store.layout import Layout
from havre.wire.filters import Filters
from tests.fakes.network import FakeDriver


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


@pytest.fixture
def verbs(networks: Networks) -> NetworkVerbs:
    return NetworkVerbs(networks, {"c1": "box"}.get)  # type: ignore[arg-type]


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
        with pytest.raises(InvalidParameter, match="invalid filter"):
            names(verbs, **wrong)


async def test_prune_keeps_dockers_own(verbs: NetworkVerbs) -> None:
    assert verbs.prune(Filters({"until": ["24h"]})) == {"NetworksDeleted": None}
    with pytest.raises(InvalidParameter):
        verbs.prune(Filters({"name": ["x"]}))


async def test_refusals(verbs: NetworkVerbs) -> None:
    with pytest.raises(Forbidden, match="bridge is a pre-defined network and cannot be removed"):
        verbs.remove("bridge")
    with pytest.raises(Forbidden, match="predefined host network"):
        verbs.create("host")
    with pytest.raises(NotFound, match="network lan not found"):
        verbs.inspect("lan")
    for refused in (lambda: verbs.create("lan"), lambda: verbs.connect("bridge"), lambda: verbs.disconnect("bridge")):
        with pytest.raises(Unsupported):
            refused()
