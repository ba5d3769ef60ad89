"""The text of rule sets: what depends on bridge, settings and endpoints. (The kernel's view is in the golden files.)"""

import re
from dataclasses import replace
from ipaddress import IPv4Network

from havre.network import firewall
from havre.network.firewall import BridgeRules
from havre.network.model import Endpoint, PublishedPort

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
    for text in (firewall.ruleset(RULES, [WEB]), firewall.removal("havre0", ["ip", "ip6"])):
        outside = [line for line in text.splitlines() if line and not line.startswith((" ", "}"))]
        assert outside and all(re.search(" ip6? havre_havre0 ?", f" {line}") for line in outside)


def test_elements() -> None:
    assert firewall.publish(RULES, WEB) == [
        "add element ip havre_havre0 published { tcp . 8080 : 172.29.0.2 . 80 }\n",
        "add element ip havre_havre0 published_on { 127.0.0.1 . udp . 53 : 172.29.0.2 . 53 }\n",
    ]
    assert firewall.withdraw(RULES, WEB) == [
        "delete element ip havre_havre0 published { tcp . 8080 }\n",
        "delete element ip havre_havre0 published_on { 127.0.0.1 . udp . 53 }\n",
    ]
    assert "".join(firewall.publish(RULES, WEB)) in firewall.ruleset(RULES, [WEB])


def test_honest_rules() -> None:
    honest = replace(RULES, honest=True)
    assert firewall.publish(honest, WEB) == [
        "add element ip havre_havre0 published { tcp . 8080 : 172.29.0.2 . 80 }\n",
        "add element ip havre_havre0 open { tcp . 8080 }\n",
        "add element ip havre_havre0 published_on { 127.0.0.1 . udp . 53 : 172.29.0.2 . 53 }\n",
        "add element ip havre_havre0 open_on { 127.0.0.1 . udp . 53 }\n",
    ]
    assert len(firewall.withdraw(honest, WEB)) == 4
    assert firewall.forget_admissions(honest) == "flush set ip havre_havre0 admitted\n"
    assert firewall.forget_admissions(RULES) == "" and "admitted" not in firewall.ruleset(RULES, [WEB])
    assert firewall.is_own("havre_br-1") and not firewall.is_own("filter")


def test_icc() -> None:
    apart = BridgeRules("havre0", IPv4Network("172.29.0.0/16"), icc=False)
    assert 'iifname "havre0" accept' in firewall.ruleset(RULES, [])
    assert 'iifname "havre0" drop' in firewall.ruleset(apart, [])
