"""The daemon's half of names: says who is to be served and who is where, and keeps the resolver doing so.

What should be and what the resolver was told are kept apart: every change makes the first, and one task brings the
second after it. So a resolver that ended by itself, or one that an earlier daemon left, is no special case.
"""

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from havre.errors import HavreError, SystemFault
from havre.lib.tasks import TaskOwner
from havre.network.dns import sockets, tables
from havre.network.dns.process import Conversation, Resolver
from havre.network.dns.sockets import Sockets
from havre.network.dns.tables import Source
from havre.network.names import Upstream
from havre.network.threads import to_end

log = logging.getLogger(__name__)
_RETRY = 0.5
# Between the end of one resolver and the start of another.
_REST = 0.05


@dataclass(slots=True)
class _Served:
    """A container to be served. ``sockets`` are on their way to the resolver; None: it has them, or needs new ones."""

    sandbox: Path
    inode: int
    upstream: dict[str, Any]
    sockets: Sockets | None = None


class Names:
    """Implements ``network.names.NameService``. ``directory`` is the daemon's own; ``lead``: may it use nftables."""

    address = sockets.ADDRESS

    def __init__(self, directory: Path, lead: bool = True) -> None:
        self._resolver = Resolver(directory)
        self._lead = lead
        self._source: Source | None = None
        self._tasks = TaskOwner("names")
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="havre-names")
        self._served: dict[str, _Served] = {}
        # Containers that must not be served, of which an earlier daemon may have told the resolver.
        self._gone: set[str] = set()
        # What the resolver was told.
        self._told: dict[str, tuple[int, dict[str, Any] | None]] = {}
        self._told_networks: dict[str, Any] = {}
        self._told_places: dict[str, Any] = {}
        self._changed = asyncio.Event()
        self._running = False

    def look_at(self, source: Source) -> None:
        """Whose networks and endpoints are to be told. To be called once, before anything else."""
        self._source = source

    async def attach(self, container_id: str, sandbox: Path, upstream: Upstream) -> None:
        """Serve the container whose network namespace is at ``sandbox``, before its process runs; again is no error."""
        inode = self._inode(sandbox)
        served = self._served.get(container_id)
        if served is not None and served.inode == inode:
            served.upstream = tables.upstream(upstream)
        else:
            made = await self._make(container_id, sandbox)
            self._drop(container_id)
            self._served[container_id] = _Served(sandbox, inode, tables.upstream(upstream), made)
        self._wake()

    def changed(self) -> None:
        """Endpoints were added or removed: any network's."""
        if self._served:
            self._wake()

    async def detach(self, container_id: str) -> None:
        """Stop serving the container; its namespace is about to go."""
        self._drop(container_id)
        if self._running or self._resolver.there():
            self._gone.add(container_id)
            self._wake()

    async def adopt(self, container_id: str, sandbox: Path, upstream: Upstream) -> None:
        """As ``attach``, for a container that the last daemon served."""
        self._gone.discard(container_id)
        self._served[container_id] = _Served(sandbox, self._inode(sandbox), tables.upstream(upstream))
        self._wake()

    async def close(self) -> None:
        """The daemon ends; its containers may go on."""
        await self._tasks.close()
        for container_id in list(self._served):
            self._take_sockets(container_id)
        self._executor.shutdown()
        if not self._served:
            await self._resolver.end()

    def _inode(self, sandbox: Path) -> int:
        try:
            return os.stat(sandbox).st_ino
        except OSError as error:
            raise SystemFault(f"cannot serve names: {error}") from error

    async def _make(self, container_id: str, sandbox: Path) -> Sockets:
        try:
            return await to_end(self._executor, sockets.make, sandbox, self._lead)
        except (OSError, HavreError) as error:
            raise SystemFault(f"cannot serve names to container {container_id[:12]}: {error}") from error

    def _take_sockets(self, container_id: str) -> None:
        served = self._served[container_id]
        if served.sockets is not None:
            served.sockets.close()
            served.sockets = None

    def _drop(self, container_id: str) -> None:
        if container_id in self._served:
            self._take_sockets(container_id)
            del self._served[container_id]

    def _wake(self) -> None:
        self._changed.set()
        if not self._running:
            self._running = True
            self._tasks.start(self._run(), "resolver")

    async def _run(self) -> None:
        """Keep the resolver told, and running, while there is somebody to serve."""
        try:
            while await self._serve():
                pass
        finally:
            self._running = False

    async def _serve(self) -> bool:
        """Find or start a resolver and talk to it until it ends; False when none is needed any more."""
        try:
            conversation = await self._resolver.find()
            if conversation is None:
                if not self._served:
                    self._gone.clear()
                    self._resolver.forget()
                    return False
                conversation = await self._resolver.start()
            await self._keep(conversation)
            if self._served:
                log.warning("the resolver of containers' names has ended and is started again")
            await asyncio.sleep(_REST)
        except (OSError, HavreError, TimeoutError) as error:
            log.error("containers' names cannot be resolved: %s", error)
            await asyncio.sleep(_RETRY)
        return True

    async def _keep(self, conversation: Conversation) -> None:
        """Talk to one resolver until it ends."""
        self._told = {name: (inode, None) for name, inode in conversation.served.items()}
        first = True
        heard = self._tasks.start(self._hear(conversation), "words of the resolver")
        changed: asyncio.Task[Any] | None = None
        try:
            while not heard.done():
                self._changed.clear()
                try:
                    await self._tell(conversation, first)
                except (BrokenPipeError, ConnectionResetError):
                    break
                first = False
                changed = self._tasks.start(self._changed.wait(), "changes")
                await asyncio.wait((heard, changed), return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
        finally:
            for task in (heard, changed):
                if task is not None:
                    task.cancel()
                    await asyncio.wait((task,))
            conversation.close()
            self._told, self._told_networks, self._told_places = {}, {}, {}

    async def _hear(self, conversation: Conversation) -> None:
        while (words := await conversation.hear()) is not None:
            if "log" in words:
                log.warning("resolver: %s", words["log"])

    async def _tell(self, conversation: Conversation, first: bool) -> None:
        while self._gone:
            container_id = self._gone.pop()
            if container_id in self._told and container_id not in self._served:
                del self._told[container_id]
                await conversation.send({"do": "detach", "id": container_id})
        await self._tell_tables(conversation, first)
        for container_id in list(self._served):
            await self._tell_one(conversation, container_id)

    async def _tell_tables(self, conversation: Conversation, first: bool) -> None:
        assert self._source is not None
        # Also those that an earlier daemon had served and this one will: they see no gap.
        networks, places = tables.everything(self._source, {*self._served, *self._told})
        message = {
            "do": "tables",
            "all": first,
            "networks": tables.changes(self._told_networks, networks),
            "places": tables.changes(self._told_places, places),
        }
        self._told_networks, self._told_places = networks, places
        if first or message["networks"] or message["places"]:
            await conversation.send(message)

    async def _tell_one(self, conversation: Conversation, container_id: str) -> None:
        served = self._served.get(container_id)
        if served is None:
            return
        inode, upstream = self._told.get(container_id, (0, None))
        if inode == served.inode and served.sockets is None:
            if upstream != served.upstream:
                self._told[container_id] = inode, served.upstream
                await conversation.send({"do": "upstream", "id": container_id, **served.upstream})
            return
        made, served.sockets = served.sockets, None
        try:
            if made is None:
                made = await self._make(container_id, served.sandbox)
            if self._served.get(container_id) is not served:
                return
            message = {"do": "attach", "id": container_id, "path": str(served.sandbox), **served.upstream}
            self._told[container_id] = served.inode, served.upstream
            await conversation.send(message, made.filenos())
        except SystemFault as error:
            log.error("%s", error)
        finally:
            if made is not None:
                made.close()
