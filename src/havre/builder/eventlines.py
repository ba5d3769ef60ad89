"""What is told of a build to ``havre build``: JSON lines about vertices as they begin, write and end.

Each vertex gets a number when it is first told of; times are nanoseconds since 1970. ``{"vertex": …}`` begins or ends
one, ``{"log": …}`` is what its command wrote, ``{"status": …}`` is a word about how far it is.
"""

import asyncio
import codecs
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from havre.builder.plan.vertices import Local, Vertex
from havre.dockerfile.lint import Finding

Json = dict[str, Any]
_MOST_AHEAD = 16


class EventLines:
    """A ``Progress`` that gives JSON objects. ``finish`` or ``fail`` ends them."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Json | BaseException | None] = asyncio.Queue()
        self._taken = asyncio.Event()
        self._numbers: dict[int, int] = {}
        self._kept: list[Vertex] = []  # so that no other vertex gets the ``id`` of one that was told of
        self._begun: set[int] = set()
        self._texts: dict[tuple[int, int], codecs.IncrementalDecoder] = {}

    def begins(self, vertex: Vertex) -> None:
        # The client has shown how it sent its directories.
        if vertex.name and not isinstance(vertex.operation, Local):
            number = self._number(vertex)
            self._begun.add(number)
            self.tell({"vertex": {"id": number, "name": vertex.name, "started": time.time_ns()}})

    def writes(self, vertex: Vertex, stream: int, data: bytes) -> None:
        number = self._number(vertex)
        decoder = self._texts.get((number, stream))
        if decoder is None:
            decoder = self._texts[number, stream] = codecs.getincrementaldecoder("utf-8")("replace")
        if text := decoder.decode(data):
            self.tell({"log": {"id": number, "stream": stream, "time": time.time_ns(), "text": text}})

    def status(self, vertex: Vertex, text: str) -> None:
        """One word more about a step under way."""
        self.tell({"status": {"id": self._number(vertex), "text": text}})

    def ends(self, vertex: Vertex, cached: bool, error: str = "") -> None:
        if not vertex.name or isinstance(vertex.operation, Local):
            return
        if self._number(vertex) not in self._begun:
            self.begins(vertex)
        told: Json = {"id": self._number(vertex), "name": vertex.name, "completed": time.time_ns(), "cached": cached}
        self.tell({"vertex": {**told, **({"error": error} if error else {})}})

    def warns(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            self.tell({"warning": finding.text})

    def explains(self, vertex: Vertex, reasons: Sequence[str]) -> None:
        for reason in reasons:
            self.status(vertex, f"why: {reason}")

    def tell(self, line: Json) -> None:
        """One more line, of no step."""
        self._queue.put_nowait(line)

    def finish(self) -> None:
        """All has been told."""
        self._queue.put_nowait(None)

    def fail(self, error: BaseException) -> None:
        """The lines end with this error."""
        self._queue.put_nowait(error)

    async def room(self) -> None:
        """Wait until the reader has taken most of what was told."""
        while self._queue.qsize() > _MOST_AHEAD:
            self._taken.clear()
            await self._taken.wait()

    async def read(self) -> AsyncIterator[Json]:
        """The lines, until their end."""
        while (line := await self._queue.get()) is not None:
            if isinstance(line, BaseException):
                raise line
            self._taken.set()
            yield line

    def _number(self, vertex: Vertex) -> int:
        if id(vertex) not in self._numbers:
            self._kept.append(vertex)
            self._numbers[id(vertex)] = len(self._kept)
        return self._numbers[id(vertex)]
