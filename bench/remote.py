"""Rows about images that come from a registry and go to one.

A pull goes on after it was interrupted: what is measured then is how much it fetches once more.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.system.harness import wait_until
from tests.system.registry import configuration

from bench.engines import Measured
from bench.rows import Row, cli, remove_bench_image
from havre.kernel import namespaces

_PUSH_PORT, _RELAY_PORT = 5001, 5002
_PUSHED = f"127.0.0.1:{_PUSH_PORT}/bench-pushed:latest"
_CUT_AT = 0.9
_PIECE = 1 << 16
_PAUSE = 1.0


def rows(archive: str, reference: str, size: int, repeat: int) -> list[Row[Measured]]:
    """``reference`` is the image in a registry in the engine's namespace, of ``size`` bytes, ``archive`` the same."""
    pushes = Pushes(archive)
    few = max(2, repeat // 3)
    return [
        Row("pull", "pull of a 217 MB image", 0.5, lambda e: cli(e, "pull", "-q", reference), samples=repeat,
            between=remove_bench_image),
        Row("pull-again", "bytes that a pull interrupted at 90 % fetches again", 0.12,
            lambda e: fetched_again(e, reference, size), "%", few, between=remove_bench_image, absolute=True),
        Row("push", "push of a 217 MB image", 1.0, lambda e: cli(e, "push", "-q", _PUSHED), samples=repeat,
            prepare=pushes.prepare, between=pushes.between, tidy=pushes.tidy),
    ]  # fmt: skip


class Pushes:
    """A registry for each engine, in its namespace, which knows nothing of the image before a push."""

    def __init__(self, archive: str) -> None:
        self._archive = archive
        self._registries: dict[str, subprocess.Popen[bytes]] = {}

    def prepare(self, engine: Measured) -> None:
        self._start(engine)
        cli(engine, "load", "-q", "-i", self._archive)
        cli(engine, "tag", "bench", _PUSHED)
        os.sync()

    def between(self, engine: Measured) -> None:
        """Back to before the push; what it left to be written must not count against the next engine's."""
        self._stop(engine)
        shutil.rmtree(engine.root / "pushed")
        self._start(engine)
        os.sync()

    def tidy(self, engine: Measured) -> None:
        self._stop(engine)
        remove_bench_image(engine)

    def _start(self, engine: Measured) -> None:
        directory = engine.root / "pushed"
        directory.mkdir()
        config = directory / "config.json"
        config.write_text(json.dumps(configuration(directory, f"127.0.0.1:{_PUSH_PORT}", password=False)))
        command = engine.inside(["docker-registry", "serve", str(config)])
        self._registries[engine.name] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: _connected(engine, _PUSH_PORT) is not None, "the registry")

    def _stop(self, engine: Measured) -> None:
        if registry := self._registries.pop(engine.name, None):
            registry.terminate()
            registry.wait()


def fetched_again(engine: Measured, reference: str, size: int) -> float:
    """The part of the image's bytes that a second pull fetches after the first was interrupted."""
    host, _, name = reference.partition("/")
    relay = Relay(engine, int(host.rpartition(":")[2]), int(size * _CUT_AT))
    command = ["docker", "pull", "-q", f"127.0.0.1:{_RELAY_PORT}/{name}"]
    try:
        first = subprocess.Popen(
            command, env={**os.environ, "DOCKER_HOST": engine.host}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        wait_until(relay.full.is_set, "most of the image")
        # The engine takes what is in buffers, and then puts away what it has.
        time.sleep(_PAUSE)
        first.send_signal(signal.SIGINT)
        first.communicate()
        time.sleep(_PAUSE)
        relay.open()
        cli(engine, *command[1:])
        return relay.carried / size
    finally:
        relay.close()


class Relay:
    """A port in the engine's namespace that leads to another there, and counts what comes back from it.

    ``full`` is set when ``limit`` bytes have come: connections that more comes for hang until ``open``, which ends them
    and counts from nought.
    """

    def __init__(self, engine: Measured, port: int, limit: int) -> None:
        self._engine = engine
        self._port = port
        self._limit: int | None = limit
        self.carried = 0
        self.full = threading.Event()
        self._lock = threading.Condition()
        self._clients: set[socket.socket] = set()
        self._listener = _in_namespace(engine, lambda: socket.create_server(("127.0.0.1", _RELAY_PORT)))
        threading.Thread(target=self._accept, daemon=True).start()

    def open(self) -> None:
        with self._lock:
            self._limit = None
            self.carried = 0
            self._lock.notify_all()

    def close(self) -> None:
        """Connections that the engine keeps for later end too."""
        self.open()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for client in self._clients:
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        server = _connected(self._engine, self._port)
        assert server is not None, "the registry has gone"
        with self._lock:
            self._clients.add(client)
        try:
            with server:
                while True:
                    ready, _, _ = select.select([client, server], [], [])
                    for one, other in ((client, server), (server, client)):
                        if one in ready and not self._moved(one, other, counted=one is server):
                            return
        except OSError:
            return
        finally:
            with self._lock:
                self._clients.discard(client)
                client.close()

    def _moved(self, one: socket.socket, other: socket.socket, *, counted: bool) -> bool:
        """Take what ``one`` has to ``other``; False when it has ended."""
        data = one.recv(_PIECE)
        if counted:
            with self._lock:
                self.carried += len(data)
                if self._limit is not None and self.carried >= self._limit:
                    self.full.set()
                    self._lock.wait_for(lambda: self._limit is None)
                    return False
        other.sendall(data)
        return bool(data)


def _connected(engine: Measured, port: int) -> socket.socket | None:
    try:
        return _in_namespace(engine, lambda: socket.create_connection(("127.0.0.1", port), 5))
    except OSError:
        return None


def _in_namespace(engine: Measured, make: Callable[[], socket.socket]) -> socket.socket:
    return namespaces.enter(Path(f"/run/netns/{engine.netns}"), make)
