"""Commands for a registry that runs, from the same machine: a socket in its root, which only its owner can open.

One connection, one command: a line of JSON with the command's name and arguments, answered by a line of JSON.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from havre.errors import HavreError, SystemFault

log = logging.getLogger(__name__)

Command = Callable[[Mapping[str, Any]], Awaitable[Any]]


class Control:
    """The registry's side: answers ``commands`` on ``path``."""

    def __init__(self, path: Path) -> None:
        self.commands: dict[str, Command] = {}
        self._path = path
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; what another registry left at the path is replaced, since the root is locked by this one."""
        self._path.unlink(missing_ok=True)
        # The path below a root may be longer than the kernel takes, a path below a descriptor is not.
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._server = await asyncio.start_unix_server(self._serve, f"/proc/self/fd/{directory}/{self._path.name}")
        finally:
            os.close(directory)
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            try:
                answer = {"result": await self._answer(await reader.readline())}
            except (HavreError, ValueError, OSError) as error:
                answer = {"error": str(error)}
            except Exception:
                log.exception("a command failed")
                answer = {"error": "internal error"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            writer.close()

    async def _answer(self, line: bytes) -> Any:
        asked = json.loads(line)
        command = self.commands.get(asked.get("command", ""))
        if command is None:
            raise ValueError(f"no such command: {asked.get('command')!r}")
        return await command(asked)


def ask(path: Path, command: str, **arguments: Any) -> Any:
    """The answer of the registry that listens at ``path``, or None when none does. Blocks. Raises ``SystemFault``."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            connection.connect(f"/proc/self/fd/{directory}/{path.name}")
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        finally:
            os.close(directory)
        connection.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
        with connection.makefile("rb") as answers:
            line = answers.readline()
    if not line:
        raise SystemFault("the registry ended before it answered")
    answer = json.loads(line)
    if "error" in answer:
        raise SystemFault(answer["error"])
    return answer["result"]
