"""A daemon's network room that dies at a chosen step of a chosen verb: a program the crash tests start.

Usage: python -m tests.system.network_crash NETNS DATA_ROOT EXEC_ROOT VERB STEP CONTAINER_ID

VERB is start, create, connect, join (a second network), part (from it), disconnect, remove or stop. A step is the
moment before or after anything that outlives the process: a transaction of the database or of nftables, a batch of
netlink requests, a namespace made or removed. At the STEP-th moment within VERB the process kills itself; exit code 0
means that VERB has fewer moments and ended.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from havre.kernel import namespaces
from havre.kernel.netlink import NetlinkSocket
from havre.kernel.nftables import Nftables
from havre.lib.ids import new_id
from havre.network.model import EndpointRequest, Network, PortRequest
from havre.network.networks import Networks
from havre.network.settings import NetworkSettings
from havre.store.db import Database
from havre.store.layout import Layout
from tests.system.netlab import enter_for_good, open_database

_EFFECTS: tuple[tuple[Any, str], ...] = (
    (Database, "_transact"),
    (NetlinkSocket, "execute"),
    (Nftables, "run"),
    (namespaces, "create"),
    (namespaces, "remove"),
    (namespaces, "write_sysctl"),
)
PORTS = (
    PortRequest(80, "tcp", "", 8080, 8080),
    PortRequest(53, "udp", "127.0.0.1", 5353, 5353),
)


class Fuse:
    """Counts moments down, once lit, and kills the process at the last."""

    def __init__(self) -> None:
        self.left: int | None = None

    def light(self, step: int | None) -> None:
        """Die at the ``step``-th moment from now; None: not at all. The program ends where the verb does."""
        if self.left is not None:
            sys.exit(0)
        self.left = step

    def moment(self) -> None:
        if self.left is not None:
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self.left -= 1

    def watch(self, owner: Any, name: str) -> None:
        effect: Callable[..., Any] = getattr(owner, name)

        @wraps(effect)
        def watched(*arguments: Any, **options: Any) -> Any:
            self.moment()
            result = effect(*arguments, **options)
            self.moment()
            return result

        setattr(owner, name, watched)


async def _main(layout: Layout, verb: str, step: int, container_id: str) -> None:
    fuse = Fuse()
    for owner, name in _EFFECTS:
        fuse.watch(owner, name)
    database = open_database(layout)
    networks = Networks(database, NetworkSettings(), layout)
    if verb == "start":
        fuse.left = step
    await networks.start()
    await networks.live({container_id})
    if verb == "start":
        return
    await _live(networks, container_id, lambda now: fuse.light(step if now == verb else None))
    database.close()


async def _live(networks: Networks, container_id: str, light: Callable[[str], None]) -> None:
    light("create")
    own = await networks.create(Network(new_id(), "another", "bridge", 1, ipv6=True))
    light("connect")
    await networks.sandbox_create(container_id)
    await networks.connect(container_id, "bridge", EndpointRequest(name="box", ports=PORTS))
    light("join")
    await networks.connect(container_id, "another", EndpointRequest(name="box", ports=PORTS))
    light("part")
    await networks.disconnect(container_id, "another")
    light("disconnect")
    await networks.disconnect(container_id, "bridge")
    await networks.sandbox_remove(container_id)
    light("remove")
    await networks.remove(own)
    light("stop")
    await networks.stop()


if __name__ == "__main__":
    netns, data_root, exec_root, verb, step, container_id = sys.argv[1:]
    enter_for_good(Path(netns))
    asyncio.run(_main(Layout(Path(data_root), Path(exec_root)), verb, int(step), container_id))
