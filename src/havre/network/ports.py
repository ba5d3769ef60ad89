"""Host ports: which of them this daemon publishes, each held against the host's own programs by a bound socket.

A reservation is a socket that is bound and never listens: connections go to the container by NAT before any socket
is looked up, but no program of the host, and no other daemon, can take the port while it is published. They end with
the daemon; the ports it left published are claimed again at its next start.

All of this is IPv4. Docker lists ``[::]`` beside ``0.0.0.0`` and serves it by a proxy process for each port; the kernel
cannot translate IPv6 to IPv4, so nothing is claimed there.
"""

import errno
import os
import resource
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from havre.errors import InvalidParameter, SystemFault, Unavailable, Unsupported
from havre.network.model import PROTOCOLS, PortRequest, PublishedPort

ANY = "0.0.0.0"
_KINDS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}

Bind = Callable[[str, str, int], socket.socket]


class PortTaken(Exception):
    """The port is published already, by this daemon."""


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
    held = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC, number)
    try:
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

    def claim(self, requests: Iterable[PortRequest], default_ip: str, container_ip: str) -> tuple[PublishedPort, ...]:
        """Reserve a host port for each request: all of them or, on any error, none. Errors are worded as Docker's."""
        done: list[PublishedPort] = []
        requests = list(requests)
        self._refuse_too_many(len(requests))
        try:
            for request in requests:
                done.append(self._claim_one(request, request.host_ip or default_ip, container_ip))
        except BaseException:
            self.release(done)
            raise
        return tuple(done)

    def reclaim(self, ports: Iterable[PublishedPort]) -> list[tuple[PublishedPort, str]]:
        """Hold again what a record says is published; returns what could not be held, and why: it stays published."""
        lost = []
        for port in ports:
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

    def _claim_one(self, request: PortRequest, host_ip: str, container_ip: str) -> PublishedPort:
        _check(request, host_ip)
        target = f"{container_ip}:{request.container_port}/{request.proto}"
        single = request.host_port_start == request.host_port_end != 0
        busy: OSError | None = None
        for port in self._choices(request):
            try:
                self._hold(request.proto, host_ip, port)
            except PortTaken:
                if single:
                    raise SystemFault(f"Bind for {host_ip}:{port} failed: port is already allocated") from None
            except OSError as error:
                if single or error.errno != errno.EADDRINUSE:
                    raise _bind_failure(error, request.proto, host_ip, port, target) from error
                busy = error
            else:
                if not request.host_port_start:
                    self._next = port + 1 if port < self._last else self._first
                return PublishedPort(request.container_port, request.proto, host_ip, port)
        if request.host_port_start:
            if busy is not None:
                raise _bind_failure(busy, request.proto, host_ip, request.host_port_end, target)
            raise SystemFault(f"Bind for {host_ip}:{request.host_port_end} failed: port is already allocated")
        raise SystemFault("all ports are allocated")

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
        if holders and (host_ip == ANY or ANY in holders or host_ip in holders):
            raise PortTaken
        held = self._bind(proto, host_ip, port)
        self._held.setdefault((proto, port), {})[host_ip] = held


def _check(request: PortRequest, host_ip: str) -> None:
    if request.proto not in PROTOCOLS:
        raise InvalidParameter(f"invalid proto: {request.proto}")
    if ":" in host_ip:
        raise Unsupported(f"publishing ports on an IPv6 host address ({host_ip}) is not supported yet")
    with suppress(OSError):
        socket.inet_pton(socket.AF_INET, host_ip)
        return
    raise InvalidParameter(f"invalid IP address: {host_ip}")


def _bind_failure(error: OSError, proto: str, host_ip: str, port: int, target: str) -> SystemFault | Unavailable:
    if error.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
        return Unavailable(f"cannot publish {target}: this host's kernel has no {proto} sockets")
    reason = os.strerror(error.errno or 0)
    return SystemFault(f"failed to bind host port for {host_ip}:{port}:{target}: {reason[:1].lower()}{reason[1:]}")
