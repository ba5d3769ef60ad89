"""The client's SSH agents, as commands see them: a socket whose connections are led to the client, one by one.

The client keeps one connection waiting for each agent it forwards. A command that connects takes it, and is told so by
the byte ``STARTED``; the client then opens the next one.
"""

import asyncio
import os
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from havre.lib.tasks import TaskOwner

STARTED = b"\1"
_PATIENCE = 10.0  # seconds for the client to open its next connection
_READ = 64 << 10


class Duplex(Protocol):
    """A connection to the client."""

    async def read(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    async def write_eof(self) -> None: ...


class Agents:
    """The connections that wait, by the client's session and the agent's id."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], deque[tuple[Duplex, asyncio.Future[None]]]] = defaultdict(deque)
        self._come = asyncio.Condition()

    async def offer(self, session: str, identity: str, stream: Duplex) -> None:
        """Let a command have ``stream``; returns when it has done with it."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[session, identity]
        one = stream, over
        async with self._come:
            waiting.append(one)
            self._come.notify_all()
        try:
            await over
        finally:
            if one in waiting:
                waiting.remove(one)
            if not waiting:
                self._waiting.pop((session, identity), None)

    async def take(self, session: str, identity: str) -> tuple[Duplex, "asyncio.Future[None]"]:
        """A connection, and what to resolve at its end. Raises ``TimeoutError`` when none comes."""
        async with asyncio.timeout(_PATIENCE), self._come:
            await self._come.wait_for(lambda: self._waiting.get((session, identity)))
            return self._waiting[session, identity].popleft()


class ClientSecrets:
    """``Secrets`` that came with the build, and the agents that its session forwards."""

    def __init__(self, values: Mapping[str, bytes], agents: Agents, session: str, forwarded: frozenset[str]) -> None:
        self._values = values
        self._agents = agents
        self._session = session
        self._forwarded = forwarded

    async def secret(self, identity: str) -> bytes | None:
        return self._values.get(identity)

    @asynccontextmanager
    async def agent(self, identity: str, path: Path, uid: int, gid: int, mode: int | None) -> AsyncIterator[bool]:
        if identity not in self._forwarded:
            yield False
            return
        tasks = TaskOwner("agents")

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.start(self._lead(identity, reader, writer), "agent")

        server = await asyncio.start_unix_server(connected, path)
        try:
            os.chown(path, uid, gid)
            path.chmod(0o600 if mode is None else mode)
            yield True
        finally:
            server.close()
            await tasks.close()
            path.unlink(missing_ok=True)

    async def _lead(self, identity: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            stream, over = await self._agents.take(self._session, identity)
        except TimeoutError:
            writer.close()
            return
        try:
            await stream.write(STARTED)
            async with asyncio.TaskGroup() as group:
                group.create_task(_carried(stream, writer))
                while data := await reader.read(_READ):
                    await stream.write(data)
                await stream.write_eof()
        except* ConnectionError:
            pass  # the command or the client has gone
        finally:
            writer.close()
            if not over.done():
                over.set_result(None)


async def _carried(stream: Duplex, writer: asyncio.StreamWriter) -> None:
    while data := await stream.read():
        writer.write(data)
        await writer.drain()
    writer.write_eof()
