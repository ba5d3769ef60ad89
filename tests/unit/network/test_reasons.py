"""What ``havre network why`` tells of a port."""

from havre.network import reasons
from havre.network.model import Endpoint, PublishedPort
from havre.network.settings import NetworkSettings

WEB = PublishedPort(80, "tcp", "0.0.0.0", 8080)
SIX = PublishedPort(80, "tcp", "::", 8080)
LOCAL = PublishedPort(80, "udp", "127.0.0.1", 53)
ON = Endpoint("n", "lan", "e", "c", ip_address="10.1.0.2", ipv6_address="fd00::2", ports=(WEB, SIX, LOCAL))


def test_where_it_leads() -> None:
    assert [reasons.target(ON, port) for port in ON.ports] == ["10.1.0.2:80", "[fd00::2]:80", "10.1.0.2:80"]
    assert [reasons.rule("havre_br0", ON, port) for port in ON.ports] == [
        "table inet havre_br0, map published: tcp . 8080 : 10.1.0.2 . 80",
        "table inet havre_br0, map published6: tcp . 8080 : fd00::2 . 80",
        "table inet havre_br0, map published_on: 127.0.0.1 . udp . 53 : 10.1.0.2 . 80",
    ]


def test_who_comes_in() -> None:
    plain, honest = NetworkSettings(), NetworkSettings(honest=True)
    told = "\n".join(reasons.reach(WEB, plain, [("ip", "filter", "FORWARD"), ("ip6", "filter", "FORWARD")]))
    assert "every machine that reaches an IPv4 address" in told and "are not asked" in told
    assert told.count("FORWARD") == 1 and "table ip filter" in told
    refusing = [("ip", "filter", "INPUT"), ("ip6", "filter", "INPUT")]
    told = "\n".join(reasons.reach(WEB, honest, [], refusing))
    assert "input rules let in" in told and told.count("what comes to this host") == 1
    assert "INPUT" not in "\n".join(reasons.reach(WEB, plain, [], refusing))
    direct = reasons.reach(PublishedPort(80, "tcp", "::", 0), honest, [("ip6", "filter", "FORWARD")], refusing)
    assert "own address" in direct[0] and "FORWARD" in direct[1] and len(direct) == 2
    assert "not this host through ::1" in "\n".join(reasons.reach(SIX, plain, []))
    assert reasons.reach(LOCAL, honest, [])[0].startswith("this host alone")
    assert reasons.reach(SIX, NetworkSettings(firewall6=False), [])[0].startswith("nobody")
    only = reasons.reach(PublishedPort(80, "tcp", "192.0.2.1", 80), plain, [("inet", "fw", "forward")])
    assert "reaches 192.0.2.1," in only[0] and "chain forward of table inet fw" in only[-1]
