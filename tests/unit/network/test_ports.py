"""Host ports: claims, conflicts in Docker's words, ranges, random ones, and the sockets that hold them."""

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from havre.errors import InvalidParameter, SystemFault, Unavailable, Unsupported
from havre.network import ports
from havre.network.model import PortRequest, PublishedPort
from havre.network.ports import PortLedger, asks

HTTP = PortRequest(80, "tcp", "", 8080, 8080)


class Host:
    """A host whose ports are given: (proto, port) that its programs hold, with the error a bind of them gives."""

    def __init__(self) -> None:
        self.errors: dict[tuple[str, int], int] = {}
        self.without_ipv6 = False
        self.bound: list[tuple[str, str, int]] = []

    def bind(self, proto: str, host_ip: str, port: int) -> socket.socket:
        if (proto, port) in self.errors:
            raise OSError(self.errors[proto, port], os.strerror(self.errors[proto, port]))
        if self.without_ipv6 and ":" in host_ip:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        self.bound.append((proto, host_ip, port))
        return socket.socket()


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def ledger(host: Host) -> PortLedger:
    return PortLedger((40000, 40004), host.bind)


def claim(ledger: PortLedger, *requests: PortRequest) -> tuple[PublishedPort, ...]:
    return ledger.claim(requests, "0.0.0.0", "172.29.0.2")


def dual(ledger: PortLedger, *requests: PortRequest, default: str = "0.0.0.0") -> tuple[PublishedPort, ...]:
    return ledger.claim(requests, default, "172.29.0.2", "fd00:5::2")


def test_both_versions_get_the_same_port(ledger: PortLedger, host: Host) -> None:
    assert dual(ledger, PortRequest(80)) == (
        PublishedPort(80, "tcp", "0.0.0.0", 40000),
        PublishedPort(80, "tcp", "::", 40000),
    )
    claim(ledger, PortRequest(80, "tcp", "", 40001, 40001))
    ledger.release([PublishedPort(80, "tcp", "0.0.0.0", 40000)])
    # Only half of 40000 is free, and less of 40001.
    assert {port.host_port for port in dual(ledger, PortRequest(80, "tcp", "", 40000, 40004))} == {40002}
    assert ledger.claim([PortRequest(81)], "0.0.0.0", "", "fd00:5::2") == (PublishedPort(81, "tcp", "::", 40001),)


def test_a_host_without_ipv6(ledger: PortLedger, host: Host) -> None:
    host.without_ipv6 = True
    assert dual(ledger, HTTP) == (PublishedPort(80, "tcp", "0.0.0.0", 8080),)
    with pytest.raises(SystemFault, match=r"for \[::\]:81:\[fd00:5::2\]:80/tcp: address family not supported"):
        dual(ledger, PortRequest(80, "tcp", "::", 81, 81))


def test_ipv6_addresses(ledger: PortLedger, host: Host) -> None:
    asked = PortRequest(80, "tcp", "2001:DB8:0::1", 8080, 8080), PortRequest(80, "tcp", "::ffff:1.2.3.4", 80, 80)
    assert [(port.host_ip, port.host_port) for port in dual(ledger, *asked)] == [("2001:db8::1", 8080), ("1.2.3.4", 80)]
    assert [port.host_ip for port in dual(ledger, PortRequest(90), default="127.0.0.1")] == ["127.0.0.1"]
    for address in ("::1", "fe80::1%eth0"):
        with pytest.raises((Unsupported, InvalidParameter), match=r"IPv6 loopback|invalid IP address"):
            dual(ledger, PortRequest(80, "tcp", address, 8081, 8081))
    with pytest.raises(Unsupported, match=r"80/tcp on 127\.0\.0\.1: the container has no IPv4 address"):
        ledger.claim([PortRequest(80, "tcp", "127.0.0.1")], "0.0.0.0", "", "fd00:5::2")


def test_routed_versions_take_no_port_of_the_host(ledger: PortLedger, host: Host) -> None:
    def routed(*versions: int, address: str = "") -> list[tuple[str, int]]:
        held = ledger.claim(
            [PortRequest(80, "tcp", address, 8080, 8080)], "0.0.0.0", "172.29.0.2", "fd00:5::2", versions
        )
        ledger.release(held)
        return [(port.host_ip, port.host_port) for port in held]

    assert routed(6) == [("0.0.0.0", 8080), ("::", 0)]
    assert routed(6, address="::1") == [("::", 0)]
    assert routed(4, 6, address="127.0.0.1") == [("0.0.0.0", 0)]
    assert host.bound == [("tcp", "0.0.0.0", 8080)]
    assert ledger.reclaim([PublishedPort(80, "tcp", "::", 0)]) == [] and len(host.bound) == 1


def test_what_is_half_taken_is_not_held(ledger: PortLedger, host: Host) -> None:
    dual(ledger, PortRequest(80, "tcp", "::", 8080, 8080))
    with pytest.raises(SystemFault, match="Bind for :::8080 failed: port is already allocated"):
        dual(ledger, HTTP)
    claim(ledger, HTTP)


def test_a_given_port(ledger: PortLedger, host: Host) -> None:
    assert claim(ledger, HTTP) == (PublishedPort(80, "tcp", "0.0.0.0", 8080),)
    assert host.bound == [("tcp", "0.0.0.0", 8080)]


def test_the_same_port_of_two_protocols(ledger: PortLedger) -> None:
    claim(ledger, HTTP, PortRequest(80, "udp", "", 8080, 8080))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", ""),
        ("", "127.0.0.1"),
        ("127.0.0.1", ""),
        ("127.0.0.1", "127.0.0.1"),
        ("::", "2001:db8::1"),
        ("2001:db8::1", "::"),
        ("2001:db8::1", "2001:DB8:0::1"),
    ],
)
def test_taken_by_another_container(ledger: PortLedger, first: str, second: str) -> None:
    dual(ledger, PortRequest(80, "tcp", first, 8080, 8080))
    with pytest.raises(SystemFault) as refusal:
        dual(ledger, PortRequest(80, "tcp", second, 8080, 8080))
    assert str(refusal.value) == f"Bind for {first or '0.0.0.0'}:8080 failed: port is already allocated"


def test_the_same_port_of_two_addresses(ledger: PortLedger) -> None:
    claim(ledger, PortRequest(80, "tcp", "127.0.0.1", 8080, 8080), PortRequest(80, "tcp", "127.0.0.2", 8080, 8080))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EADDRINUSE, "address already in use"),
        (errno.EADDRNOTAVAIL, "cannot assign requested address"),
        (errno.EACCES, "permission denied"),
    ],
)
def test_taken_by_a_program(ledger: PortLedger, host: Host, code: int, words: str) -> None:
    host.errors["tcp", 8080] = code
    with pytest.raises(SystemFault) as refusal:
        claim(ledger, HTTP)
    assert str(refusal.value) == f"failed to bind host port for 0.0.0.0:8080:172.29.0.2:80/tcp: {words}"


def test_a_failed_claim_holds_nothing(ledger: PortLedger, host: Host) -> None:
    host.errors["tcp", 8081] = errno.EADDRINUSE
    with pytest.raises(SystemFault):
        claim(ledger, HTTP, PortRequest(81, "tcp", "", 8081, 8081))
    claim(ledger, HTTP)


def test_the_first_free_of_a_range(ledger: PortLedger, host: Host) -> None:
    host.errors["tcp", 9001] = errno.EADDRINUSE
    wanted = PortRequest(80, "tcp", "", 9000, 9002)
    assert [claim(ledger, wanted)[0].host_port for _ in range(2)] == [9000, 9002]
    with pytest.raises(SystemFault, match="address already in use"):
        claim(ledger, wanted)
    del host.errors["tcp", 9001]
    claim(ledger, wanted)
    with pytest.raises(SystemFault, match="all ports are allocated"):
        claim(ledger, wanted)


def test_random_ports_go_round(ledger: PortLedger, host: Host) -> None:
    host.errors["tcp", 40001] = errno.EADDRINUSE
    wanted = PortRequest(80)
    assert [claim(ledger, wanted)[0].host_port for _ in range(2)] == [40000, 40002]
    ledger.release([PublishedPort(80, "tcp", "0.0.0.0", 40000)])
    assert [claim(ledger, wanted)[0].host_port for _ in range(3)] == [40003, 40004, 40000]
    with pytest.raises(SystemFault, match="all ports are allocated"):
        claim(ledger, wanted)


def test_released_ports_are_free(ledger: PortLedger) -> None:
    held = claim(ledger, HTTP)
    ledger.release(held)
    ledger.release(held)
    claim(ledger, HTTP)


def test_a_port_lost_while_the_daemon_was_away(ledger: PortLedger, host: Host) -> None:
    host.errors["tcp", 8080] = errno.EADDRINUSE
    port = PublishedPort(80, "tcp", "0.0.0.0", 8080)
    assert ledger.reclaim([port]) == [(port, "Address already in use")]
    with pytest.raises(SystemFault, match="already allocated"):
        claim(ledger, HTTP)
    ledger.release([port])


def test_what_is_refused(ledger: PortLedger, host: Host) -> None:
    with pytest.raises(Unsupported, match="80/tcp on 2001:db8::1: the container has no IPv6 address"):
        claim(ledger, PortRequest(80, "tcp", "2001:db8::1", 8080, 8080))
    with pytest.raises(InvalidParameter, match="invalid IP address: example"):
        claim(ledger, PortRequest(80, "tcp", "example", 8080, 8080))
    with pytest.raises(InvalidParameter, match="invalid proto"):
        claim(ledger, PortRequest(80, "icmp"))
    host.errors["sctp", 8080] = errno.EPROTONOSUPPORT
    with pytest.raises(Unavailable, match="no sctp"):
        claim(ledger, PortRequest(80, "sctp", "", 8080, 8080))


@pytest.fixture
def free_port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    yield port


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_a_held_port_is_held_against_everybody(free_port: int, proto: str) -> None:
    kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
    with ports.bind(proto, "127.0.0.1", free_port):
        for reuse in (0, 1):
            with socket.socket(socket.AF_INET, kind) as other, pytest.raises(OSError, match="in use"):
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse if proto == "tcp" else 0)
                other.bind(("127.0.0.1", free_port))
        with pytest.raises(OSError, match="in use"):
            ports.bind(proto, "127.0.0.1", free_port)
    ports.bind(proto, "127.0.0.1", free_port).close()


def test_a_held_port_serves_nobody(free_port: int) -> None:
    with ports.bind("tcp", "127.0.0.1", free_port), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port))


def test_connections_closed_a_moment_ago_do_not_count(free_port: int) -> None:
    """A program that served the port and ended leaves TIME_WAIT behind for a minute."""
    server = socket.create_server(("127.0.0.1", free_port))
    client = socket.create_connection(("127.0.0.1", free_port))
    accepted, _ = server.accept()
    accepted.close()
    client.recv(1)
    client.close()
    server.close()
    with socket.socket() as strict, pytest.raises(OSError, match="in use"):
        strict.bind(("127.0.0.1", free_port))
    with ports.bind("tcp", "127.0.0.1", free_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", free_port))
        # Others who allow reuse, too, must find it taken: when binding, or at the latest when listening.
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", free_port))
        with pytest.raises(OSError, match="in use"):
            ports.bind("tcp", "127.0.0.1", free_port)


def test_a_listening_program_is_never_pushed_aside(free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)), pytest.raises(OSError, match="in use"):
        ports.bind("tcp", "0.0.0.0", free_port)


def test_a_routed_port_was_asked_for() -> None:
    assert asks(PortRequest(80, "tcp", "127.0.0.1", 8080, 8080), PublishedPort(80, "tcp", "0.0.0.0", 0))
    assert not asks(PortRequest(80, "tcp", "127.0.0.1", 8080, 8080), PublishedPort(80, "tcp", "::", 0))


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        (PortRequest(80), True),
        (PortRequest(80, host_ip="::0001"), False),
        (PortRequest(80, host_ip="::ffff:127.0.0.1"), True),
        (PortRequest(80, "tcp", "127.0.0.1", 8000, 8100), True),
        (PortRequest(80, "tcp", "", 8000, 8079), False),
        (PortRequest(80, "udp"), False),
        (PortRequest(81), False),
    ],
)
def test_what_was_asked_for(request_: PortRequest, asked: bool) -> None:
    assert asks(request_, PublishedPort(80, "tcp", "127.0.0.1", 8080)) == asked
