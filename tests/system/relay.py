"""A relay on loopback before a registry: it counts what goes there, cuts connections, and holds them up."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

Way = Callable[[socket.socket, socket.socket], None]


class Relay:
    """``passed`` counts the bytes that went there. After ``hold_at`` of them the rest waits for ``go``."""

    def __init__(self, target: int, limits: Sequence[int], hold_at: int | None) -> None:
        self.target = target
        self.passed = 0
        self.held = threading.Event()
        self.go = threading.Event()
        self._limits = list(limits)
        self._hold_at = hold_at
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for way in (self._there, _back):
                threading.Thread(target=self._carry, args=[way, client, server], daemon=True).start()

    def close(self) -> None:
        self.go.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _there(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        while data := client.recv(1 << 16):
            passed += len(data)
            if self._limits and passed > self._limits[0]:
                self._limits.pop(0)
                # A reset, as of a line that is gone.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            server.sendall(data)
            with self._lock:
                self.passed += len(data)
            if self._hold_at is not None and self.passed >= self._hold_at:
                self.held.set()
                self.go.wait()

    def _carry(self, way: Way, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            way(client, server)
        for end in (server, client):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            if way == self._there:
                end.close()


def _back(client: socket.socket, server: socket.socket) -> None:
    while data := server.recv(1 << 16):
        client.sendall(data)


@contextmanager
def relaying(port: int, limits: Sequence[int] = (), hold_at: int | None = None) -> Iterator[Relay]:
    """A relay to ``port`` that cuts a connection after each of ``limits`` bytes on their way there."""
    relay = Relay(port, limits, hold_at)
    thread = threading.Thread(target=relay.accept, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        thread.join()
