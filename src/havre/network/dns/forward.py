"""Names that no container has: the servers behind are asked, one after the other."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable

from havre.kernel.netswitch import socket_in
from havre.network.dns import codec
from havre.network.dns.codec import REFUSED, SERVER_FAILURE, Query
from havre.network.dns.loop import READ, WRITE, Loop, Timer

PORT = 53
# resolv.conf(5)'s own limit.
SERVERS = 3
# A server that is silent is given up early while there is another: resolvers ask again after five seconds.
_PATIENCE, _LAST_PATIENCE = 1.5, 4.0
# How long one that was silent is asked last.
_GRUDGE = 30.0
# Questions of one container under way.
_OWN = 256
_DATAGRAM = 65535


class Server:
    """One to ask, from the network namespace open as ``namespace``."""

    __slots__ = ("address", "family", "namespace", "port", "silent_until")

    def __init__(self, address: str, namespace: int, port: int = PORT) -> None:
        self.address = address
        self.namespace = namespace
        self.port = port
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.silent_until = 0.0


class Limits:
    """How many questions are under way in all, and at ``most``: each holds a descriptor."""

    __slots__ = ("most", "under_way")

    def __init__(self, most: int) -> None:
        self.most = most
        self.under_way = 0


class Forwarder:
    """One container's questions to others. ``home`` is the host's network namespace."""

    def __init__(self, loop: Loop, home: int, limits: Limits) -> None:
        self.loop = loop
        self.home = home
        self.limits = limits
        self.servers: list[Server] = []
        self._under_way: dict[object, Exchange] = {}

    def ask(self, query: Query, data: bytes, asker: object, stream: bool, reply: Callable[[bytes], None]) -> None:
        """Have ``reply`` called with the response; the same question of the same asker is asked once."""
        key = (asker, data)
        if key in self._under_way:
            return
        if len(self._under_way) >= _OWN or self.limits.under_way >= self.limits.most:
            reply(codec.failure(query, REFUSED))
            return
        now = time.monotonic()
        servers = sorted(self.servers, key=lambda server: server.silent_until > now)

        def done(response: bytes) -> None:
            if self._under_way.pop(key, None) is not None:
                self.limits.under_way -= 1
                reply(response)

        self.limits.under_way += 1
        exchange = self._under_way[key] = Exchange(self, query, data, servers, stream, done)
        exchange.next()

    def close(self) -> None:
        for exchange in self._under_way.values():
            exchange.drop()
        self.limits.under_way -= len(self._under_way)
        self._under_way.clear()


class Exchange:
    """One question on its way, over UDP first unless it came over TCP, with a new number and port for each server."""

    def __init__(
        self,
        forwarder: Forwarder,
        query: Query,
        data: bytes,
        servers: list[Server],
        stream: bool,
        done: Callable[[bytes], None],
    ) -> None:
        self._forwarder = forwarder
        self._query = query
        self._data = data
        self._servers = servers
        self._stream = stream
        self._done = done
        self._server: Server | None = None
        self._socket: socket.socket | None = None
        self._timer: Timer | None = None
        self._number = 0
        self._out = b""
        self._in = b""
        # What to say if nobody says better.
        self._short = b""
        self._worst = codec.failure(query, SERVER_FAILURE)

    def next(self) -> None:
        """Ask the next server; none left is an answer too."""
        while self._servers:
            self._server = self._servers.pop(0)
            try:
                self._begin(self._server, self._stream)
                return
            except OSError:
                self.drop()
        self._done(self._short or self._worst)

    def drop(self) -> None:
        """Let go of the server being asked."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._socket is not None:
            self._forwarder.loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _begin(self, server: Server, stream: bool) -> None:
        loop = self._forwarder.loop
        kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
        self._socket = socket_in(server.namespace, self._forwarder.home, server.family, kind)
        self._number = int.from_bytes(os.urandom(2), "big")
        message = codec.numbered(self._data, self._number)
        try:
            self._socket.connect((server.address, server.port))
        except BlockingIOError:
            pass
        if stream:
            self._out, self._in = struct.pack("!H", len(message)) + message, b""
            loop.watch(self._socket.fileno(), self._write, WRITE)
        else:
            self._socket.send(message)
            loop.watch(self._socket.fileno(), self._datagram)
        self._timer = loop.after(_PATIENCE if self._servers else _LAST_PATIENCE, self._silent)

    def _silent(self) -> None:
        if self._server is not None:
            self._server.silent_until = time.monotonic() + _GRUDGE
        self._failed()

    def _failed(self) -> None:
        self.drop()
        if self._short:
            self._done(self._short)
        else:
            self.next()

    def _datagram(self) -> None:
        assert self._socket is not None
        try:
            response = self._socket.recv(_DATAGRAM)
        except BlockingIOError:
            return
        except OSError:
            self._failed()
            return
        if not codec.answers(response, self._number, self._query):
            return
        if codec.truncated(response) and self._server is not None:
            self._short = codec.numbered(response, self._query.number)
            self.drop()
            try:
                self._begin(self._server, True)
            except OSError:
                self._failed()
            return
        self._take(response)

    def _write(self) -> None:
        assert self._socket is not None
        try:
            self._out = self._out[self._socket.send(self._out) :]
        except BlockingIOError:
            return
        except OSError:
            self._failed()
            return
        if not self._out:
            self._forwarder.loop.watch(self._socket.fileno(), self._read, READ)

    def _read(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(_DATAGRAM)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._failed()
            return
        self._in += data
        if len(self._in) >= 2 and len(self._in) >= 2 + int.from_bytes(self._in[:2], "big"):
            response = self._in[2 : 2 + int.from_bytes(self._in[:2], "big")]
            if codec.answers(response, self._number, self._query):
                self._take(response)
            else:
                self._failed()

    def _take(self, response: bytes) -> None:
        self.drop()
        if self._server is not None:
            self._server.silent_until = 0.0
        response = codec.numbered(response, self._query.number)
        if codec.code(response) in (SERVER_FAILURE, REFUSED):
            # Another may do better.
            self._worst = response
            self.next()
        elif not self._stream and len(response) > self._query.size:
            self._done(self._short or codec.cut(response, self._query))
        else:
            self._done(response)
