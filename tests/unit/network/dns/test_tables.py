"""What the resolver is told of networks and containers."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.network.dns import tables
from havre.network.dns.control import Decoder, encode
from havre.network.model import Endpoint, Network
from havre.network.names import Upstream

TABLES = st.dictionaries(st.text(max_size=2), st.integers(0, 3), max_size=5)


def endpoint(container: str, network: str, number: int, **more: Any) -> Endpoint:
    address = f"172.30.{number}.2"
    return Endpoint(network, network.upper(), container + network, container, f"172.30.{number}.1", address, 24, **more)


@dataclass
class Known:
    networks: list[Network]
    endpoints: list[Endpoint]

    def all(self) -> list[Network]:
        return self.networks

    def endpoints_of(self, container_id: str) -> list[Endpoint]:
        return [each for each in self.endpoints if each.container_id == container_id]

    def endpoints_on(self, network_id: str) -> list[Endpoint]:
        return [each for each in self.endpoints if each.network_id == network_id]


def test_networks_of_the_user_s_only() -> None:
    known = Known(
        [Network("0", "bridge", "bridge", 0), Network("a", "A", "bridge", 0, internal=True)],
        [
            endpoint("web", "0", 0, names=("web",)),
            endpoint("web", "a", 1, names=("web", "www"), ipv6_address="fd00::2", links={"DB": "Db"}),
            endpoint("nameless", "a", 1),
        ],
    )
    networks, places = tables.everything(known, ["web", "gone"])
    members = [[["web", "www"], "172.30.1.2", "fd00::2"]]
    assert networks == {"a": {"name": "A", "internal": True, "members": members}}
    assert places == {"web": [["a", {"db": "db"}]], "gone": []}


def test_the_network_of_the_default_route_is_asked_first() -> None:
    known = Known(
        [Network(name, name.upper(), "bridge", 0) for name in "abc"],
        [endpoint("web", "a", 1), endpoint("web", "c", 3, priority=5), endpoint("web", "b", 2)],
    )
    _, places = tables.everything(known, ["web"])
    assert [network for network, _ in places["web"]] == ["c", "a", "b"]


@given(TABLES, TABLES)
def test_changes_make_the_one_of_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    changes = tables.changes(before, after)
    assert {key: value for key, value in {**before, **changes}.items() if value is not None} == after
    assert not tables.changes(after, after)


def test_servers_are_addresses() -> None:
    asked = Upstream(("192.0.2.1", "nobody.example", "fe80::1%eth0"), (), (), frozenset({"fe80::1%eth0"}))
    assert tables.upstream(asked)["servers"] == [["192.0.2.1", False], ["fe80::1%eth0", True]]


@pytest.mark.parametrize(
    ("options", "dotless"),
    [((), False), (("ndots:0",), False), (("ndots:2",), True), (("ndots:2", "ndots:0"), False), (("ndots:",), False)],
)
def test_whether_names_without_a_dot_stay_here(options: tuple[str, ...], dotless: bool) -> None:
    assert tables.upstream(Upstream((), (), options))["dotless"] is dotless


@given(st.lists(st.dictionaries(st.text(), st.text(), max_size=3), max_size=5), st.integers(1, 20))
def test_messages_arrive_however_they_are_cut(messages: list[dict[str, Any]], size: int) -> None:
    data = b"".join(encode(message) for message in messages)
    decoder, found = Decoder(), []
    for start in range(0, len(data), size):
        found += decoder.feed(data[start : start + size])
    assert found == messages


@given(st.binary(max_size=40))
def test_what_is_no_message_is_refused(data: bytes) -> None:
    decoder = Decoder()
    try:
        assert all(isinstance(message, dict) for message in decoder.feed(len(data).to_bytes(4, "big") + data))
    except ValueError:
        return
