"""The daemon's half of the log writer: starts the child process (``havre.logs.writer``), asks it, starts it again.

What the child did is on disk. One that ends by itself is started again and told of all containers once more, and what
was asked and not answered is asked again.
"""

import asyncio
import json
import logging
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import havre
from havre.lib.tasks import TaskOwner

log = logging.getLogger(__name__)

# Isolated and without site: neither the environment nor the working directory decide what the child imports.
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from havre.logs.writer.main import main; main(sys.argv[2:])"
# The writer makes and drops large blocks all the time: without this the C library gives each back to the kernel at
# once, and half the time goes into page faults.
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": "8388608", "MALLOC_MMAP_THRESHOLD_": "8388608", "MALLOC_ARENA_MAX": "1"}
_RETRY_DELAY = 1.0
_LINE = 1 << 20


@dataclass(slots=True)
class _Request:
    message: dict[str, Any]
    answer: "asyncio.Future[str | None]"
    # How a new child gets to know the container, where the daemon has let go of it already.
    opening: dict[str, Any] | None = None


@dataclass(slots=True)
class Writer:
    """One child. ``lock`` is a file that only one writer of these roots holds at a time; ``reopen`` is called with the
    id of a container whose conmon has to open its log again.
    """

    lock: Path
    reopen: Callable[[str], None]
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)
    _asked: dict[int, _Request] = field(default_factory=dict)
    _number: int = 0
    _stream: asyncio.StreamWriter | None = None
    _child: "subprocess.Popen[bytes] | None" = None
    _started: bool = False
    _tasks: TaskOwner = field(default_factory=lambda: TaskOwner("log writer"))

    async def close(self) -> None:
        """End the child, which it does by itself at the end of its socket."""
        await self._tasks.close()
        if self._child is not None:
            await asyncio.to_thread(self._child.wait)

    def open(
        self, container_id: str, directory: Path, plan: dict[str, Any], *, fresh: bool
    ) -> "asyncio.Future[str | None]":
        """Take on a container's log; the answer is what is wrong, or None.

        ``fresh``: its process is not started before the answer, so that there is time to connect, and to finish what an
        earlier run left.
        """
        message = {"do": "open", "id": container_id, "directory": str(directory), "config": plan, "fresh": fresh}
        self._known[container_id] = message
        return self._ask(message)

    async def settle(self, container_id: str) -> None:
        """Return when all that the container wrote so far is where the driver says, and can be read."""
        if container_id in self._known:
            await self._ask({"do": "settle", "id": container_id})

    async def end(self, container_id: str) -> None:
        """conmon has ended: return when all it wrote is taken on."""
        if (opening := self._known.pop(container_id, None)) is not None:
            await self._ask({"do": "close", "id": container_id}, opening)

    def end_soon(self, container_id: str) -> None:
        """The same for a container nobody waits for."""
        if (opening := self._known.pop(container_id, None)) is not None:
            self._ask({"do": "close", "id": container_id}, opening)

    def forget(self, container_id: str) -> None:
        """Let go of it at once, whoever waits for it."""
        waiting = [number for number, request in self._asked.items() if request.message["id"] == container_id]
        for number in waiting:
            self._hear({"n": number})
        if self._known.pop(container_id, None) is not None or waiting:
            self._ask({"do": "forget", "id": container_id})

    def _ask(self, message: dict[str, Any], opening: dict[str, Any] | None = None) -> "asyncio.Future[str | None]":
        self._number += 1
        message = {**message, "n": self._number}
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._asked[self._number] = _Request(message, answer, opening)
        if not self._started:
            # With the first container: a daemon without any has no use for it. What is asked waits until it is there.
            self._started = True
            self._tasks.start(self._run(), "child")
        self._send(message)
        return answer

    def _send(self, message: dict[str, Any]) -> None:
        if self._stream is not None:
            self._stream.write(json.dumps(message).encode() + b"\n")

    async def _run(self) -> None:
        while True:
            try:
                reader, self._stream, child = await self._start()
            except OSError as error:
                log.error("the log writer cannot be started: %s", error)
                await asyncio.sleep(_RETRY_DELAY)
                continue
            try:
                self._repeat()
                while line := await reader.readline():
                    self._hear(json.loads(line))
            except (OSError, ValueError) as error:
                log.error("the log writer cannot be understood: %s", error)
            finally:
                self._stream.close()
                self._stream = None
            code = await asyncio.to_thread(child.wait)
            log.error("the log writer has ended with %d and is started again", code)
            await asyncio.sleep(_RETRY_DELAY)

    async def _start(self) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter, subprocess.Popen[bytes]]":
        ours, theirs = socket.socketpair()
        try:
            self._child = self._spawn(theirs)
            return *await asyncio.open_connection(sock=ours, limit=_LINE), self._child
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    def _spawn(self, control: socket.socket) -> "subprocess.Popen[bytes]":
        source = str(Path(havre.__file__).parent.parent)
        words = [sys.executable, "-I", "-S", "-c", _BOOT, source, str(control.fileno()), str(self.lock)]
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            pass_fds=(control.fileno(),),
            cwd="/",
            env=_MALLOC,
            start_new_session=True,
        )

    def _repeat(self) -> None:
        """Tell a new child everything: the containers first, then what was asked."""
        asked = sorted(self._asked.items())
        opening = {request.message["id"] for _, request in asked if request.message["do"] == "open"}
        known = [message for name, message in self._known.items() if name not in opening]
        for message in [*known, *[request.opening for _, request in asked if request.opening is not None]]:
            self._ask({**message, "fresh": False})
        for _, request in asked:
            self._send(request.message)

    def _hear(self, words: dict[str, Any]) -> None:
        if "n" in words:
            request = self._asked.pop(words["n"], None)
            if request is not None and not request.answer.done():
                request.answer.set_result(words.get("error"))
        elif "reopen" in words:
            self.reopen(words["reopen"])
        elif "log" in words:
            log.warning("%s", words["log"])
