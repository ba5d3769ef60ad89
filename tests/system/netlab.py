"""Two machines made of network namespaces: a host that havre's networks run on, and one outside, joined by a wire.

Who comes in: the network tests. While a test uses ``lab`` its thread is in the lab's host, so the daemon's side of the
network room runs there unchanged and nothing touches the interfaces or nftables of the real host.
"""

import asyncio
import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import TypeVar

import pytest

from havre.kernel import namespaces
from havre.kernel.rtnetlink import Rtnetlink, address_add, link_up
from havre.lib.ids import new_id
from havre.network.model import Endpoint, EndpointRequest, PortRequest
from havre.network.networks import Networks
from havre.network.settings import NetworkSettings
from havre.store import schema
from havre.store.db import Database
from havre.store.layout import Layout

T = TypeVar("T")

HOST, OUTSIDE = "198.51.100.1", "198.51.100.9"
WAIT = 3.0
REFUSED = 0.3
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Container:
    """What a test needs of a container: a namespace, and its endpoint."""

    id: str
    sandbox: Path
    endpoint: Endpoint

    def inside(self, work: Callable[[], T]) -> T:
        """Run ``work`` in the container's network namespace."""
        return namespaces.enter(self.sandbox, work)

    def listen(self, port: int) -> socket.socket:
        """A TCP server in the container."""
        return self.inside(lambda: _server(port))

    def receive(self, port: int) -> socket.socket:
        """A UDP socket in the container."""
        return self.inside(lambda: _receiver(port))

    def connect(self, address: str, port: int) -> socket.socket:
        """A TCP connection from the container."""
        return self.inside(lambda: socket.create_connection((address, port), WAIT))


class Lab:
    """The two namespaces. The calling thread is in the host's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host, self.outside = root / "host", root / "outside"
        namespaces.create(self.host, lambda: None)
        namespaces.create(self.outside, lambda: None)
        self._roots = 0

    def wire(self) -> None:
        """Join the two by a veth pair, wan0 and wan1; neither forwards yet (a new namespace copies the real host)."""
        namespaces.write_sysctl("net/ipv4/ip_forward", "0")
        run("ip", "link", "add", "wan0", "type", "veth", "peer", "name", "wan1")
        with open(self.outside) as other:
            run("ip", "link", "set", "wan1", "netns", f"/proc/self/fd/{other.fileno()}", pass_fds=(other.fileno(),))
        with Rtnetlink() as netlink:
            wire = netlink.link("wan0")
            assert wire is not None
            netlink.execute(link_up(1), address_add(wire.index, IPv4Interface(f"{HOST}/24")), link_up(wire.index))
        self.from_outside(
            lambda: [
                run("ip", "link", "set", "lo", "up"),
                run("ip", "addr", "add", f"{OUTSIDE}/24", "dev", "wan1"),
                run("ip", "link", "set", "wan1", "up"),
            ]
        )

    def from_outside(self, work: Callable[[], T]) -> T:
        """Run ``work`` on the machine outside."""
        return namespaces.enter(self.outside, work)

    def reach(self, address: str, port: int) -> socket.socket:
        """A TCP connection from outside."""
        return self.from_outside(lambda: socket.create_connection((address, port), WAIT))

    def layout(self) -> Layout:
        """The disk tree of one more daemon."""
        self._roots += 1
        layout = Layout(self.root / f"daemon{self._roots}" / "data", self.root / f"daemon{self._roots}" / "exec")
        layout.prepare()
        return layout

    def close(self) -> None:
        for path in [*sorted(self.root.rglob("netns/*")), self.host, self.outside]:
            with suppress(OSError):
                namespaces.remove(path)
        shutil.rmtree(self.root, ignore_errors=True)


def _make_lab() -> Iterator[Lab]:
    lab = Lab(Path(tempfile.mkdtemp(prefix="havre-netlab-")))
    try:
        with entered(lab.host):
            lab.wire()
            yield lab
    finally:
        lab.close()


lab = pytest.fixture(_make_lab)


@contextmanager
def entered(path: Path) -> Iterator[None]:
    """Move this thread into the network namespace at ``path``, and back."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _set_namespace(path)
        yield
    finally:
        assert _libc.setns(before, 0) == 0
        os.close(before)


def _set_namespace(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        assert _libc.setns(fd, 0) == 0, os.strerror(ctypes.get_errno())
    finally:
        os.close(fd)


def enter_for_good(path: Path) -> None:
    """Move this process, which must have one thread, into the network namespace at ``path``."""
    assert threading.active_count() == 1
    _set_namespace(path)


def open_database(layout: Layout) -> Database:
    """The daemon's database, with the tables of the network room."""
    return Database.open(layout.database, {"networks": schema.ALL["networks"]})


class Daemon:
    """The network room of one daemon, and containers on its default bridge."""

    def __init__(self, networks: Networks, database: Database, layout: Layout) -> None:
        self.networks = networks
        self.database = database
        self.layout = layout

    async def container(self, *ports: PortRequest, name: str = "box", mac: str = "") -> Container:
        """Start (the network's part of) a container."""
        container_id = new_id()
        sandbox = await self.networks.sandbox_create(container_id)
        try:
            request = EndpointRequest(name=name, mac=mac, ports=ports)
            endpoint = await self.networks.connect(container_id, "bridge", request)
        except BaseException:
            await self.networks.sandbox_remove(container_id)
            raise
        return Container(container_id, sandbox, endpoint)

    async def remove(self, *containers: Container) -> None:
        await asyncio.gather(*(self.networks.sandbox_remove(each.id) for each in containers))


@asynccontextmanager
async def daemon(layout: Layout, live: set[str] | None = None, **settings: object) -> AsyncIterator[Daemon]:
    """Run the network room over ``layout``, for the containers ``live`` if it is a restart; stopped at the end."""
    database = open_database(layout)
    networks = Networks(database, NetworkSettings(**{"bridge_name": "havre0", **settings}), layout)  # type: ignore[arg-type]
    try:
        await networks.start()
        await networks.live(live or set())
        yield Daemon(networks, database, layout)
    finally:
        await networks.stop()
        database.close()


def run(*command: str, pass_fds: tuple[int, ...] = ()) -> str:
    """Run a program in this thread's network namespace; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, pass_fds=pass_fds)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def arrives(server: socket.socket, client: socket.socket) -> str:
    """The address ``server`` sees ``client`` come from; a byte goes each way to prove that the way back works too."""
    server.settimeout(WAIT)
    connection, peer = server.accept()
    with connection, client:
        connection.settimeout(WAIT)
        client.settimeout(WAIT)
        connection.sendall(b"!")
        assert client.recv(1) == b"!"
        client.sendall(b"?")
        assert connection.recv(1) == b"?"
    return str(peer[0])


def datagram_arrives(server: socket.socket, client: socket.socket, address: str, port: int) -> str:
    """As ``arrives``, with one datagram each way."""
    client.settimeout(WAIT)
    client.sendto(b"ping", (address, port))
    server.settimeout(WAIT)
    data, peer = server.recvfrom(100)
    assert data == b"ping"
    server.sendto(b"pong", peer)
    answer, origin = client.recvfrom(100)
    assert (answer, origin[:2]) == (b"pong", (address, port))
    return str(peer[0])


def nothing_arrives(server: socket.socket) -> bool:
    """Whether ``server`` (TCP or UDP) hears nothing for a while."""
    server.settimeout(REFUSED)
    try:
        server.accept() if server.type == socket.SOCK_STREAM else server.recvfrom(100)
    except TimeoutError:
        return True
    return False


def datagram_socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _server(port: int) -> socket.socket:
    return socket.create_server(("0.0.0.0", port))


def _receiver(port: int) -> socket.socket:
    receiver = datagram_socket()
    receiver.bind(("0.0.0.0", port))
    return receiver
