"""One container's sockets: where it asks, over UDP and TCP."""

from __future__ import annotations

import socket
import struct

from havre.network.dns.codec import Query
from havre.network.dns.forward import Forwarder, Limits
from havre.network.dns.loop import READ, WRITE, Loop
from havre.network.dns.responder import Responder
from havre.network.dns.views import View

# Datagrams taken in a row, lest one container keep all others waiting.
_ROW = 32
# No question is longer, so that what waits stays small.
_QUESTION = 4096
_CONNECTIONS = 16
_IDLE = 10.0
# Responses that nobody fetches.
_BACKLOG = 1 << 17


class Server:
    """Serves one container. ``path`` is its network namespace, whose number is ``inode``, open as ``namespace``."""

    def __init__(
        self, loop: Loop, udp: socket.socket, tcp: socket.socket, namespace: int, home: int, limits: Limits
    ) -> None:
        self.namespace = namespace
        self.path = ""
        self.inode = 0
        self.responder = Responder(View([]), False)
        self.forwarder = Forwarder(loop, home, limits)
        self._loop = loop
        self._udp = udp
        self._tcp = tcp
        self._streams: set[Stream] = set()
        udp.setblocking(False)
        tcp.setblocking(False)
        loop.watch(udp.fileno(), self._datagrams)
        loop.watch(tcp.fileno(), self._accept)

    def close(self) -> None:
        for stream in list(self._streams):
            stream.close()
        self.forwarder.close()
        for each in (self._udp, self._tcp):
            self._loop.forget(each.fileno())
            each.close()

    def _datagrams(self) -> None:
        udp, respond = self._udp, self.responder.respond
        for _ in range(_ROW):
            try:
                data, asker = udp.recvfrom(_QUESTION)
            except OSError:
                return
            response = respond(data, False)
            if isinstance(response, bytes):
                self._send(response, asker)
            elif response is not None:
                self._forward(response, data, asker)

    def _forward(self, query: Query, data: bytes, asker: tuple[str, int]) -> None:
        self.forwarder.ask(query, data, asker, False, lambda response: self._send(response, asker))

    def _send(self, response: bytes, asker: tuple[str, int]) -> None:
        try:
            self._udp.sendto(response, asker)
        except OSError:
            # As if it had been lost on the way: who asked asks again.
            return

    def _accept(self) -> None:
        try:
            accepted, _ = self._tcp.accept()
        except OSError:
            return
        if len(self._streams) >= _CONNECTIONS:
            accepted.close()
            return
        Stream(self._loop, accepted, self, self._streams)


class Stream:
    """One TCP connection of a container's, in ``among`` while it is open."""

    def __init__(self, loop: Loop, connection: socket.socket, server: Server, among: set[Stream]) -> None:
        self._loop = loop
        self._connection = connection
        self._server = server
        self._among = among
        self._in = b""
        self._out = b""
        self._closed = False
        self._timer = loop.after(_IDLE, self.close)
        among.add(self)
        connection.setblocking(False)
        loop.watch(connection.fileno(), self._ready)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._timer.cancel()
            self._loop.forget(self._connection.fileno())
            self._connection.close()
            self._among.discard(self)

    def _ready(self) -> None:
        if self._out:
            self._flush()
        if self._closed:
            return
        try:
            data = self._connection.recv(_QUESTION)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._timer.cancel()
        self._timer = self._loop.after(_IDLE, self.close)
        self._in += data
        while len(self._in) >= 2 and not self._closed:
            end = 2 + int.from_bytes(self._in[:2], "big")
            if end > _QUESTION:
                self.close()
                return
            if len(self._in) < end:
                return
            message, self._in = self._in[2:end], self._in[end:]
            self._take(message)

    def _take(self, message: bytes) -> None:
        response = self._server.responder.respond(message, True)
        if isinstance(response, bytes):
            self._send(response)
        elif response is not None:
            self._server.forwarder.ask(response, message, self, True, self._send)
        else:
            self.close()

    def _send(self, response: bytes) -> None:
        if self._closed:
            return
        self._out += struct.pack("!H", len(response)) + response
        if len(self._out) > _BACKLOG:
            self.close()
        else:
            self._flush()

    def _flush(self) -> None:
        try:
            self._out = self._out[self._connection.send(self._out) :]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        self._loop.watch(self._connection.fileno(), self._ready, READ | WRITE if self._out else READ)
