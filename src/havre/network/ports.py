"""Host ports: which of them this daemon publishes, each held against the host's own programs by a bound socket.

A reservation is a socket that is bound and never listens: connections go to the container by NAT before any socket
is looked up, but no program of the host, and no other daemon, can take the port while it is published. They end with
the daemon; the ports it left published are claimed again at its next start.

A port without an address is claimed on ``0.0.0.0`` for a container with an IPv4 address and on ``[::]``, the same
number, for one with an IPv6 address. The kernel cannot translate one into the other, nor lead an answer from a bridge
back to ``[::1]``; Docker does both by a proxy process for each port, and we claim nothing there.
"""

import errno
import os
import resource
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import IPv6Address, ip_address

from havre.errors import InvalidParameter, SystemFault, Unavailable, Unsupported
from havre.network.model import PROTOCOLS, PortRequest, PublishedPort

ANY, ANY6 = "0.0.0.0", "::"
_KINDS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

Bind = Callable[[str, str, int], socket.socket]


class PortTaken(Exception):
    """The port is published already, by this daemon; ``held`` is the address it is on."""

    def __init__(self, held: str) -> None:
        super().__init__(held)
        self.held = held


def bind(proto: str, host_ip: str, port: int) -> socket.socket:
    """Hold ``port`` of ``host_ip`` with a socket that serves nobody. Raises ``OSError``: EADDRINUSE, EADDRNOTAVAIL…"""
    kind, number = _KINDS[proto]
    try:
        return _bound(kind, number, host_ip, port, False)
    except OSError as error:
        if proto != "tcp" or error.errno != errno.EADDRINUSE:
            raise
    # Connections a host program closed a moment ago (TIME_WAIT) must not count as using the port: reuse is allowed for
    # them, and listening for an instant finds out whether anybody else really has it. Clearing the flag afterwards
    # keeps the port from those who would reuse it in turn.
    held = _bound(kind, number, host_ip, port, True)
    try:
        held.listen(1)
        held.shutdown(socket.SHUT_RD)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except BaseException:
        held.close()
        raise
    return held


def _bound(kind: int, number: int, host_ip: str, port: int, reuse: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host_ip else socket.AF_INET
    held = socket.socket(family, kind | socket.SOCK_CLOEXEC, number)
    try:
        if family == socket.AF_INET6:
            # The same port of 0.0.0.0 is another reservation.
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if reuse:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.SOCK_DGRAM:
            # Nobody reads here; what arrives before the NAT rule stands should not occupy memory.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        held.bind((host_ip, port))
    except BaseException:
        held.close()
        raise
    return held


class PortLedger:
    """The ports one daemon publishes; ``ephemeral`` is the first and last port to choose from when none is given."""

    def __init__(self, ephemeral: tuple[int, int], bind: Bind = bind) -> None:
        self._first, self._last = ephemeral
        self._next = self._first
        self._bind = bind
        self._held: dict[tuple[str, int], dict[str, socket.socket | None]] = {}

    def claim(
        self, requests: Iterable[PortRequest], default_ip: str, ipv4: str, ipv6: str = "", routed: Sequence[int] = ()
    ) -> tuple[PublishedPort, ...]:
        """Reserve a host port for each request of a container with these addresses ("": none of that version): all of
        them or, on any error, none. Errors are worded as Docker's. Of an IP version in ``routed`` no host port is
        taken: the container's own is open at its own address.
        """
        done: list[PublishedPort] = []
        requests = list(requests)
        self._refuse_too_many(len(requests) * (2 if ipv4 and ipv6 else 1))
        try:
            for request in requests:
                places = _places(request, default_ip, ipv4, ipv6, routed)
                opened = [ANY6 if ":" in host_ip else ANY for host_ip in places if _version(host_ip) in routed]
                taken = {host_ip: target for host_ip, target in places.items() if _version(host_ip) not in routed}
                done += self._claim_one(request, taken) if taken else []
                done += [PublishedPort(request.container_port, request.proto, host_ip, 0) for host_ip in opened]
        except BaseException:
            self.release(done)
            raise
        return tuple(done)

    def reclaim(self, ports: Iterable[PublishedPort]) -> list[tuple[PublishedPort, str]]:
        """Hold again what a record says is published; returns what could not be held, and why: it stays published."""
        lost = []
        for port in ports:
            if not port.host_port:
                continue
            holders = self._held.setdefault((port.proto, port.host_port), {})
            holders[port.host_ip] = None
            try:
                holders[port.host_ip] = self._bind(port.proto, port.host_ip, port.host_port)
            except OSError as error:
                lost.append((port, os.strerror(error.errno or 0)))
        return lost

    def release(self, ports: Iterable[PublishedPort]) -> None:
        for port in ports:
            holders = self._held.get((port.proto, port.host_port), {})
            if port.host_ip in holders:
                held = holders.pop(port.host_ip)
                if held is not None:
                    held.close()
            if not holders:
                self._held.pop((port.proto, port.host_port), None)

    def _claim_one(self, request: PortRequest, places: dict[str, str]) -> list[PublishedPort]:
        single = request.host_port_start == request.host_port_end != 0
        failure: SystemFault | None = None
        for port in self._choices(request):
            try:
                held = self._hold_all(request, places, port)
            except SystemFault as error:
                if single or not (isinstance(error.__cause__, PortTaken) or _in_use(error.__cause__)):
                    raise
                failure = error if _in_use(error.__cause__) else failure
            else:
                if not request.host_port_start:
                    self._next = port + 1 if port < self._last else self._first
                return held
        if request.host_port_start and failure is not None:
            raise failure
        raise SystemFault("all ports are allocated")

    def _hold_all(self, request: PortRequest, places: dict[str, str], port: int) -> list[PublishedPort]:
        """Hold ``port`` of each of ``places``: an address of the host, and where it leads."""
        held: list[PublishedPort] = []
        try:
            for host_ip, target in places.items():
                try:
                    self._hold(request.proto, host_ip, port)
                except PortTaken as taken:
                    raise SystemFault(f"Bind for {taken.held}:{port} failed: port is already allocated") from taken
                except OSError as error:
                    if held and error.errno in _NO_IPV6 and not request.host_ip:
                        continue  # a host without IPv6, and [::] is not what the user has asked for
                    where = f"{_bracketed(host_ip)}:{port}"
                    aim = f"{_bracketed(target)}:{request.container_port}/{request.proto}"
                    raise _bind_failure(error, request.proto, where, aim) from error
                held.append(PublishedPort(request.container_port, request.proto, host_ip, port))
        except BaseException:
            self.release(held)
            raise
        return held

    def _refuse_too_many(self, asked: int) -> None:
        """Each takes an open file: those that are left are for clients and containers."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if asked and asked + sum(map(len, self._held.values())) > files // 2:
            raise InvalidParameter(f"too many ports to publish: {asked}, where the daemon may open {files} files")

    def _choices(self, request: PortRequest) -> Iterator[int]:
        if request.host_port_start:
            yield from range(request.host_port_start, request.host_port_end + 1)
        else:
            yield from range(self._next, self._last + 1)
            yield from range(self._first, self._next)

    def _hold(self, proto: str, host_ip: str, port: int) -> None:
        holders = self._held.get((proto, port), {})
        every = ANY6 if ":" in host_ip else ANY
        for held in holders:
            if (":" in held) == (":" in host_ip) and (host_ip == every or held in (every, host_ip)):
                raise PortTaken(held)
        bound = self._bind(proto, host_ip, port)
        self._held.setdefault((proto, port), {})[host_ip] = bound


def _places(request: PortRequest, default_ip: str, ipv4: str, ipv6: str, routed: Sequence[int]) -> dict[str, str]:
    """The addresses of the host to publish on, each with that of the container it leads to."""
    if request.proto not in PROTOCOLS:
        raise InvalidParameter(f"invalid proto: {request.proto}")
    if not request.host_ip and default_ip == ANY and (ipv4 or ipv6):
        return {host: address for host, address in ((ANY, ipv4), (ANY6, ipv6)) if address}
    host_ip = _canonical(request.host_ip or default_ip)
    version = _version(host_ip)
    target = ipv6 if version == 6 else ipv4
    port = f"{request.container_port}/{request.proto}"
    if not target:
        raise Unsupported(
            f"cannot publish {port} on {host_ip}: the container has no IPv{version} address that ports can be published"
            " to, and havre has no userland proxy that would translate"
        )
    if version == 6 and IPv6Address(host_ip).is_loopback and version not in routed:
        raise Unsupported(
            f"cannot publish {port} on {host_ip}: the kernel leads no answer from a bridge back to the IPv6 loopback,"
            " and havre has no userland proxy that would do so"
        )
    return {host_ip: target}


def asks(request: PortRequest, port: PublishedPort) -> bool:
    """Whether ``port`` is what ``request`` asks for, or one of it."""
    if (request.container_port, request.proto) != (port.container_port, port.proto):
        return False
    host_ip = _canonical(request.host_ip) if request.host_ip else port.host_ip
    if not port.host_port:
        return _version(host_ip) == port.version
    if host_ip != port.host_ip:
        return False
    return not request.host_port_start or request.host_port_start <= port.host_port <= request.host_port_end


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def _canonical(text: str) -> str:
    """The address as the kernel writes it; one of IPv4 in the clothes of IPv6 is one of IPv4."""
    try:
        address = ip_address("" if "%" in text else text)
    except ValueError:
        raise InvalidParameter(f"invalid IP address: {text}") from None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _in_use(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE


def _bind_failure(error: OSError, proto: str, where: str, target: str) -> SystemFault | Unavailable:
    if error.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
        return Unavailable(f"cannot publish {target}: this host's kernel has no {proto} sockets")
    reason = os.strerror(error.errno or 0)
    return SystemFault(f"failed to bind host port for {where}:{target}: {reason[:1].lower()}{reason[1:]}")
