"""/etc/hosts and /etc/resolv.conf of a container."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.network.files import hosts_file, resolv_conf, resolv_notes, resolv_source
from havre.network.names import Upstream

PLACE = ("172.29.0.2",)
LOCAL = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def servers(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines() if line.startswith("nameserver ")]


def test_hosts() -> None:
    text = hosts_file("web", PLACE, [("db", "10.0.0.9"), ("db", "10.0.0.8")])
    assert text == LOCAL + "10.0.0.9\tdb\n10.0.0.8\tdb\n172.29.0.2\tweb\n"


@pytest.mark.parametrize(
    ("hostname", "domain", "line"),
    [
        ("web", "example.org", "172.29.0.2\tweb.example.org web\n"),
        ("web.example.org", "", "172.29.0.2\tweb.example.org web\n"),
        ("web", "", "172.29.0.2\tweb\n"),
    ],
)
def test_names_in_hosts(hostname: str, domain: str, line: str) -> None:
    assert hosts_file(hostname, PLACE, [], domain) == LOCAL + line


def test_hosts_without_an_address() -> None:
    assert hosts_file("web", (), []) == LOCAL


def test_hosts_on_several_networks() -> None:
    text = hosts_file("web", ("10.0.0.2", "fd00::2"), [], "example.org")
    assert text == LOCAL + "10.0.0.2\tweb.example.org web\nfd00::2\tweb.example.org web\n"


def test_the_hosts_resolvers_are_taken_over() -> None:
    text = resolv_conf("# made by hand\nnameserver 10.0.0.53\nsearch a.org b.org\noptions ndots:2 rotate\n", [], [], [])
    assert text.endswith("\n\nnameserver 10.0.0.53\nsearch a.org b.org\noptions ndots:2 rotate\n")


def test_own_settings_replace_the_hosts() -> None:
    host = "nameserver 10.0.0.53\nsearch a.org\noptions ndots:2\n"
    text = resolv_conf(host, ["1.1.1.1", "127.0.0.1"], ["c.org"], ["timeout:1"])
    assert servers(text) == ["1.1.1.1", "127.0.0.1"], "what is asked for is not filtered"
    assert "search c.org\n" in text and "options timeout:1\n" in text and "a.org" not in text


def test_unreachable_resolvers_are_left_out() -> None:
    host = "nameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver fd00::1\nnameserver 10.0.0.1\n"
    assert servers(resolv_conf(host, [], [], [])) == ["10.0.0.1"]
    assert servers(resolv_conf("nameserver 127.0.0.1\n", [], [], [])) == ["8.8.8.8", "8.8.4.4"]
    assert servers(resolv_conf("", [], [], [])) == ["8.8.8.8", "8.8.4.4"]


def test_on_the_hosts_network_all_are_reachable() -> None:
    assert servers(resolv_conf("nameserver 127.0.0.53\n", [], [], [], own_network=False)) == ["127.0.0.53"]


def test_no_search_list() -> None:
    assert "search" not in resolv_conf("search a.org\n", [], ["."], [])


def test_the_last_of_several_lines_counts() -> None:
    text = resolv_conf("search a.org\ndomain b.org\noptions a\noptions b\n", [], [], [])
    assert "search b.org\n" in text and "options b\n" in text


def test_where_the_hosts_resolvers_stand() -> None:
    assert resolv_source("nameserver 127.0.0.53\noptions edns0\n") == Path("/run/systemd/resolve/resolv.conf")
    assert resolv_source("nameserver 127.0.0.53\nnameserver 10.0.0.1\n") == Path("/etc/resolv.conf")
    assert resolv_source("") == Path("/etc/resolv.conf")


@given(st.text())
def test_any_file_of_the_host_gives_a_usable_one(host: str) -> None:
    text = resolv_conf(host, [], [], [])
    assert servers(text) and text.endswith("\n") and resolv_source(host)


def test_notes_say_who_is_asked_behind_the_service_of_names() -> None:
    upstream = Upstream(("10.1.2.3", "192.0.2.1"), (), (), frozenset({"192.0.2.1"}))
    notes = resolv_notes(upstream, ["search", "options"], "internal")
    assert "\n# ExtServers: [10.1.2.3 host(192.0.2.1)]\n# Overrides: [search options]\n" in notes
    assert all(line.startswith("#") for line in notes.splitlines() if line)
