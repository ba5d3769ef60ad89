"""Daemon addresses as the flags and the environment write them."""

import pytest

from havre.client.hosts import TlsFiles, parse_host
from havre.errors import InvalidParameter


@pytest.mark.parametrize(
    ("text", "path"),
    [("unix:///run/x.sock", "/run/x.sock"), ("unix://", "/run/havre/havre.sock"), (" unix:///a ", "/a")],
)
def test_unix(text: str, path: str) -> None:
    assert parse_host(text).path == path


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("tcp://host:1234", "host", 1234),
        ("tcp://host", "host", 2375),
        ("host:9", "host", 9),
        ("http://host", "host", 2375),
        ("https://host", "host", 2376),
        ("tcp://[::1]:99", "::1", 99),
        ("tcp://[::1]", "::1", 2375),
        ("tcp://:7", "127.0.0.1", 7),
        ("tcp://host:1/ignored", "host", 1),
    ],
)
def test_tcp(text: str, name: str, port: int) -> None:
    endpoint = parse_host(text)
    assert (endpoint.name, endpoint.port, endpoint.path) == (name, port, "")


def test_what_a_request_says_of_its_host() -> None:
    assert parse_host("unix:///x").authority == "localhost"
    assert parse_host("tcp://host:1").authority == "host:1"
    assert parse_host("tcp://[::1]:1").authority == "[::1]:1"


def test_tls_has_a_port_of_its_own_and_https_implies_it() -> None:
    assert parse_host("tcp://host", TlsFiles()).port == 2376
    assert parse_host("https://host").tls is not None
    assert parse_host("http://host").tls is None


@pytest.mark.parametrize(
    "text", ["fd://", "npipe://x", "tcp://h:x", "tcp://h:0", "tcp://h:70000", "tcp://[::1", "tcp://[::1]x"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid host"):
        parse_host(text)


def test_ssh_says_what_to_do_instead() -> None:
    with pytest.raises(InvalidParameter, match="forward the socket"):
        parse_host("ssh://user@host")
