"""The resolver: a process that answers all containers of one daemon, whether that is there or not.

It ends by itself: when it serves nobody and no daemon is connected, or none has had anything to serve for a while.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
from typing import TYPE_CHECKING

from havre.network.dns import control
from havre.network.dns.forward import SERVERS, Limits
from havre.network.dns.forward import Server as Upstream
from havre.network.dns.loop import Loop, Timer
from havre.network.dns.server import Server
from havre.network.dns.views import Network, View

if TYPE_CHECKING:
    from typing import Any

_IDLE, _IDLE_ALONE = 3.0, 1.0
# How often a resolver without a daemon looks whether its containers' namespaces are still there.
_LOOK = 2.0
_CHUNK = 1 << 18
# Questions to others, of all containers.
_UNDER_WAY = 4096


def main(arguments: list[str]) -> None:
    """``arguments``: the descriptor of the socket that listens for the daemon, and the daemon's version.

    What follows is for those who look at a list of processes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Resolver(socket.socket(fileno=int(arguments[0])), arguments[1], Limits(min(_UNDER_WAY, most // 2))).run()


class Resolver:
    """All containers that are served."""

    def __init__(self, listener: socket.socket, version: str, limits: Limits) -> None:
        self._version = version
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._loop = Loop(self._failed)
        self._limits = limits
        self._listener = listener
        self._daemon: socket.socket | None = None
        self._decoder = control.Decoder()
        self._descriptors: list[int] = []
        self._networks: dict[str, Network] = {}
        self._places: dict[str, list[Any]] = {}
        self._servers: dict[str, Server] = {}
        self._idle: Timer | None = None
        listener.setblocking(False)
        self._loop.watch(listener.fileno(), self._accept)
        self._looking = False
        self._alone()

    def run(self) -> None:
        self._loop.run()

    def _accept(self) -> None:
        try:
            daemon, _ = self._listener.accept()
        except OSError:
            return
        # There is one daemon at a time: the last one to come is it.
        self._leave()
        self._daemon = daemon
        daemon.setblocking(False)
        self._loop.watch(daemon.fileno(), self._listen)
        self._rest()

    def _leave(self) -> None:
        if self._daemon is not None:
            self._loop.forget(self._daemon.fileno())
            self._daemon.close()
            self._daemon = None
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
        self._decoder = control.Decoder()

    def _listen(self) -> None:
        assert self._daemon is not None
        try:
            data, descriptors, _, _ = socket.recv_fds(self._daemon, _CHUNK, control.DESCRIPTORS)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        self._descriptors += descriptors
        try:
            messages = self._decoder.feed(data)
        except ValueError:
            data, messages = b"", []
        for message in messages:
            self._do(message)
        if not data:
            self._leave()
            self._alone()

    def _do(self, message: dict[str, Any]) -> None:
        what, name = message["do"], message.get("id", "")
        if what == "hello":
            self._say(
                version=[control.PROTOCOL, self._version],
                pid=os.getpid(),
                served={name: server.inode for name, server in self._servers.items()},
            )
        elif what == "tables":
            self._take(message)
        elif what == "attach":
            self._attach(name, message)
        elif what == "upstream" and name in self._servers:
            self._set_upstream(self._servers[name], message)
        elif what == "detach":
            self._detach(name)
        elif what == "quit":
            self._loop.stop()

    def _take(self, message: dict[str, Any]) -> None:
        if message["all"]:
            self._networks, self._places = {}, {}
        for name, document in message["networks"].items():
            self._networks.pop(name, None)
            if document is not None:
                self._networks[name] = Network(document)
        for name, places in message["places"].items():
            self._places.pop(name, None)
            if places is not None:
                self._places[name] = places
        views: dict[str, View] = {}
        for name in self._servers:
            self._show(name, views)

    def _show(self, name: str, views: dict[str, View]) -> None:
        """Let the container see its networks; ``views`` are those made already, by what they show."""
        places = self._places.get(name, [])
        key = repr(places)
        if key not in views:
            known = [(self._networks[network], links) for network, links in places if network in self._networks]
            views[key] = View(known)
        self._servers[name].responder.view = views[key]

    def _attach(self, name: str, message: dict[str, Any]) -> None:
        udp, tcp, namespace = (self._descriptors.pop(0) for _ in range(control.DESCRIPTORS))
        self._detach(name)
        sockets = socket.socket(fileno=udp), socket.socket(fileno=tcp)
        server = self._servers[name] = Server(self._loop, *sockets, namespace, self._home, self._limits)
        server.path, server.inode = message["path"], os.fstat(namespace).st_ino
        self._set_upstream(server, message)
        self._show(name, {})
        self._rest()

    def _set_upstream(self, server: Server, message: dict[str, Any]) -> None:
        server.forwarder.servers = [
            Upstream(address, self._home if on_host else server.namespace)
            for address, on_host in message["servers"][:SERVERS]
        ]
        server.responder.dotless = message["dotless"]

    def _detach(self, name: str) -> None:
        server = self._servers.pop(name, None)
        if server is not None:
            server.close()
            os.close(server.namespace)
            self._rest()

    def _alone(self) -> None:
        """There is no daemon."""
        if not self._looking:
            self._looking = True
            self._loop.after(_LOOK, self._look)
        self._rest()

    def _look(self) -> None:
        """Nobody tells a resolver without a daemon that a container's namespace was given up."""
        if self._daemon is not None:
            self._looking = False
            return
        self._loop.after(_LOOK, self._look)
        for name, server in list(self._servers.items()):
            try:
                there = os.stat(server.path).st_ino == server.inode
            except OSError:
                there = False
            if not there:
                self._detach(name)
        self._rest()

    def _rest(self) -> None:
        """End soon if there is nobody to serve, sooner if nobody can come."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if not self._servers:
            self._idle = self._loop.after(_IDLE if self._daemon is not None else _IDLE_ALONE, self._loop.stop)

    def _say(self, **words: Any) -> None:
        if self._daemon is not None:
            try:
                # To its end: half a message would be none.
                self._daemon.settimeout(1.0)
                self._daemon.sendall(control.encode(words))
            except OSError:
                # It is gone, which the loop will see, or does not read.
                return
            finally:
                self._daemon.setblocking(False)

    def _failed(self, error: BaseException) -> None:
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f" ({place.tb_frame.f_code.co_filename}:{place.tb_lineno})" if place is not None else ""
        self._say(log=f"{type(error).__name__}: {error}{where}")
