"""The text of rule sets: what depends on bridge, settings and endpoints. (The kernel's view is in the golden files.)"""

import re
from dataclasses import replace
from ipaddress import IPv4Network

from havre.network import firewall
from havre.network.firewall import BridgeRules
from havre.network.model import Endpoint, PublishedPort

TABLE = "havre_havre0"
RULES = BridgeRules("havre0", IPv4Network("172.29.0.0/16"), icc=True)
WEB = Endpoint(
    "n",
    "bridge",
    "e",
    "c",
    ip_address="172.29.0.2",
    ports=(PublishedPort(80, "tcp", "0.0.0.0", 8080), PublishedPort(53, "udp", "127.0.0.1", 53)),
)


def test_every_statement_is_about_the_own_table() -> None:
    texts = (
        firewall.ruleset(TABLE, [(RULES, [WEB])]),
        firewall.join(TABLE, RULES, [WEB]),
        firewall.part(TABLE, RULES),
        firewall.removal(TABLE),
    )
    for text in texts:
        outside = [line for line in text.splitlines() if line and not line.startswith((" ", "}"))]
        assert outside and all(re.search(" inet havre_havre0 ?", f" {line}") for line in outside)


def test_elements() -> None:
    assert firewall.publish(TABLE, RULES, WEB) == [
        "add element inet havre_havre0 published { tcp . 8080 : 172.29.0.2 . 80 }\n",
        "add element inet havre_havre0 published_on { 127.0.0.1 . udp . 53 : 172.29.0.2 . 53 }\n",
    ]
    assert firewall.withdraw(TABLE, RULES, WEB) == [
        "delete element inet havre_havre0 published { tcp . 8080 }\n",
        "delete element inet havre_havre0 published_on { 127.0.0.1 . udp . 53 }\n",
    ]
    assert "".join(firewall.publish(TABLE, RULES, WEB)) in firewall.ruleset(TABLE, [(RULES, [WEB])])


def test_a_port_that_moves_stands_once() -> None:
    """On its way to another network it is of both for a moment; a map that names it twice would be refused."""
    there = replace(RULES, bridge="br-1", subnet=IPv4Network("10.1.0.0/24"))
    moved = replace(WEB, ip_address="10.1.0.2")
    text = firewall.ruleset(TABLE, [(RULES, [WEB]), (there, [moved])])
    assert "published { tcp . 8080 : 10.1.0.2 . 80 }" in text and text.count("tcp . 8080 :") == 1


def test_honest_rules() -> None:
    honest = replace(RULES, honest=True)
    assert firewall.publish(TABLE, honest, WEB) == [
        "add element inet havre_havre0 published { tcp . 8080 : 172.29.0.2 . 80 }\n",
        "add element inet havre_havre0 open { tcp . 8080 }\n",
        "add element inet havre_havre0 published_on { 127.0.0.1 . udp . 53 : 172.29.0.2 . 53 }\n",
        "add element inet havre_havre0 open_on { 127.0.0.1 . udp . 53 }\n",
    ]
    assert len(firewall.withdraw(TABLE, honest, WEB)) == 4
    assert "flush set inet havre_havre0 admitted\n" in firewall.forget_admissions(TABLE)
    assert "admitted" not in firewall.ruleset(TABLE, [(RULES, [WEB])])
    assert firewall.is_own("havre_br-1") and not firewall.is_own("filter")


def test_icc() -> None:
    apart = BridgeRules("havre0", IPv4Network("172.29.0.0/16"), icc=False)
    assert 'iifname "havre0" accept' in firewall.ruleset(TABLE, [(RULES, [])])
    assert 'iifname "havre0" drop' in firewall.ruleset(TABLE, [(apart, [])])
