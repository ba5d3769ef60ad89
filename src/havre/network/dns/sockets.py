"""Where a container asks: the daemon opens the sockets in its network namespace, and leads port 53 there.

They listen on ports of their own, so that a container may serve 0.0.0.0:53 itself.
"""

import socket
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from havre.kernel import namespaces
from havre.kernel.nftables import Nftables, NftError

ADDRESS = "127.0.0.11"
PORT = 53
_BACKLOG = 128
_TABLE = "havre_names"


@dataclass(slots=True)
class Sockets:
    """Descriptors, in the order in which they are handed on."""

    udp: socket.socket
    tcp: socket.socket
    # A file and no number: what nobody takes over closes itself.
    namespace: FileIO

    def filenos(self) -> list[int]:
        return [self.udp.fileno(), self.tcp.fileno(), self.namespace.fileno()]

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()
        self.namespace.close()


def rules(udp: int, tcp: int) -> str:
    """The transaction that leads questions to those ports. It fails where questions are led elsewhere already."""
    return f"""\
create table ip {_TABLE}
table ip {_TABLE} {{
    chain output {{
        type nat hook output priority -100; policy accept
        ip daddr {ADDRESS} udp dport {PORT} dnat to {ADDRESS}:{udp}
        ip daddr {ADDRESS} tcp dport {PORT} dnat to {ADDRESS}:{tcp}
    }}
}}
"""


def make(sandbox: Path, lead: bool) -> Sockets:
    """The sockets of the container whose network namespace is at ``sandbox``. Blocks. Raises ``OSError``.

    Without ``lead``, or where the kernel cannot do it, they take port 53 itself.
    """
    return namespaces.enter(sandbox, lambda: _make(lead))


def _make(lead: bool) -> Sockets:
    if lead:
        made = _open(0)
        try:
            _lead(rules(made.udp.getsockname()[1], made.tcp.getsockname()[1]))
            return made
        except NftError:
            made.close()
        except BaseException:
            made.close()
            raise
    return _open(PORT)


def _lead(wanted: str) -> None:
    nft = Nftables()
    try:
        try:
            nft.run(wanted)
        except NftError:
            # The rules for an earlier resolver. To delete them in any case would cost ten times as much: the kernel
            # keeps whoever has deleted something waiting for the end of that.
            nft.run(f"delete table ip {_TABLE}\n{wanted}")
    finally:
        nft.close()


def _open(port: int) -> Sockets:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        udp.bind((ADDRESS, port))
        tcp.bind((ADDRESS, port))
        tcp.listen(_BACKLOG)
        return Sockets(udp, tcp, open("/proc/thread-self/ns/net", "rb", buffering=0))
    except BaseException:
        udp.close()
        tcp.close()
        raise
