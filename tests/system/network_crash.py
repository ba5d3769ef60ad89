"""A daemon's network room that dies at a chosen step of a chosen verb: a program the crash tests start.

Usage: python -m tests.system.network_crash NETNS DATA_ROOT EXEC_ROOT VERB STEP CONTAINER_ID

VERB is start, connect, disconnect or stop. A step is the moment before or after anything that outlives the process: a
transaction of the database or of nftables, a batch of netlink requests, a namespace made or removed. At the STEP-th
moment within VERB the process kills itself; exit code 0 means that VERB has fewer moments and ended.
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
from havre.network.model import EndpointRequest, PortRequest
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
    if verb == "connect":
        fuse.left = step
    await networks.sandbox_create(container_id)
    await networks.connect(container_id, "bridge", EndpointRequest(name="box", ports=PORTS))
    if verb == "disconnect":
        fuse.left = step
    await networks.disconnect(container_id, "bridge")
    await networks.sandbox_remove(container_id)
    if verb == "stop":
        fuse.left = step
    await networks.stop()
    database.close()


if __name__ == "__main__":
    netns, data_root, exec_root, verb, step, container_id = sys.argv[1:]
    enter_for_good(Path(netns))
    asyncio.run(_main(Layout(Path(data_root), Path(exec_root)), verb, int(step), container_id))
