"""Where requests come from: IPv4 is IPv4, also as sockets and proxies that speak IPv6 write it."""

from multidict import CIMultiDict

from havre.registry.access.peers import Peers, budget_key, parse_proxies


class Request:
    def __init__(self, remote: str, *forwarded: str) -> None:
        self.remote = remote
        self.headers = CIMultiDict(("X-Forwarded-For", each) for each in forwarded)


def address(peers: Peers, remote: str, *forwarded: str) -> str:
    return peers.address(Request(remote, *forwarded))  # type: ignore[arg-type]


def test_a_mapped_address_is_the_one_of_ipv4() -> None:
    assert address(Peers(), "::ffff:192.0.2.1") == "192.0.2.1"
    assert address(Peers(), "2001:db8::1") == "2001:db8::1"
    assert address(Peers(), "") == ""


def test_a_proxy_is_known_and_believed_by_either() -> None:
    peers = Peers(parse_proxies(["10.0.0.0/8"]))
    assert address(peers, "::ffff:10.0.0.1", "192.0.2.7") == "192.0.2.7"
    assert address(peers, "10.0.0.1", "192.0.2.7, ::ffff:10.0.0.2") == "192.0.2.7"
    first, second = (address(peers, "10.0.0.1", f"::ffff:192.0.2.{last}") for last in (1, 2))
    assert budget_key(first) != budget_key(second)


def test_who_is_no_proxy_is_not_believed() -> None:
    peers = Peers(parse_proxies(["10.0.0.0/8"]))
    assert address(peers, "192.0.2.9", "192.0.2.7") == "192.0.2.9"
    assert address(peers, "10.0.0.1", "192.0.2.7, 192.0.2.8") == "192.0.2.8"
    assert address(peers, "10.0.0.1", "nonsense") == "10.0.0.1"
