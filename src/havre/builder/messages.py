"""A build in Docker's JSON messages, as the classic builder's clients show them.

Steps that go on side by side are told one after the other, in the order of the plan: what those behind write is held
back until it is their turn.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

from havre.builder.plan.vertices import FromImage, Vertex
from havre.dockerfile.lint import Finding
from havre.lib.ids import short

Json = dict[str, Any]
_STEP = re.compile(r"\[(?:(\S+) )?(\d+)/(\d+)\] (.*)", re.DOTALL)
_MOST_HELD = 10_000  # pieces of output held back for one step; what comes after them is left out


class Messages:
    """A ``Progress`` that gives messages. ``finish`` or ``fail`` ends them."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._queue: asyncio.Queue[Json | BaseException | None] = asyncio.Queue()
        self._order: list[Vertex] = []
        self._held: dict[int, list[Json]] = {}
        self._ended: set[int] = set()

    def begins(self, vertex: Vertex) -> None:
        match = _STEP.fullmatch(vertex.name)
        if match is None:
            return
        self._order.append(vertex)
        self._held[id(vertex)] = []
        stage = f"[{match[1]}] " if match[1] else ""
        self._say(vertex, f"Step {match[2]}/{match[3]} : {stage}{match[4]}\n")

    def writes(self, vertex: Vertex, stream: int, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        # As dockerd: clients know by the colour what came from stderr.
        self._say(vertex, f"\x1b[91m{text}\x1b[0m" if stream == 2 else text)

    def ends(self, vertex: Vertex, cached: bool, error: str = "") -> None:
        if isinstance(vertex.operation, FromImage):
            self._say(vertex, f" ---> {short(vertex.operation.digest)}\n")
        elif cached:
            self._say(vertex, " ---> Using cache\n")
        self._ended.add(id(vertex))
        while self._order and id(self._order[0]) in self._ended:
            self._order.pop(0)
            if self._order:
                self._let_go(self._order[0])

    def warns(self, findings: Sequence[Finding]) -> None:
        for finding in () if self._quiet else findings:
            self.tell({"stream": f"[Warning] {finding.text}\n"})

    def explains(self, vertex: Vertex, reasons: Sequence[str]) -> None:
        for reason in reasons:
            self._say(vertex, f" ---> Why: {reason}\n")

    def caution(self, text: str) -> None:
        """A warning, of no step."""
        self.tell({"stream": f"[Warning] {text}\n"})

    def tell(self, message: Json) -> None:
        """One more message, of no step."""
        self._queue.put_nowait(message)

    def finish(self) -> None:
        """All has been told."""
        self._queue.put_nowait(None)

    def fail(self, error: BaseException) -> None:
        """The messages end with this error."""
        self._queue.put_nowait(error)

    async def read(self) -> AsyncIterator[Json]:
        """The messages, until their end."""
        while (message := await self._queue.get()) is not None:
            if isinstance(message, BaseException):
                raise message
            yield message

    def _say(self, vertex: Vertex, text: str) -> None:
        if self._quiet or not text or id(vertex) not in self._held:
            return
        if self._order and self._order[0] is vertex:
            self.tell({"stream": text})
        else:
            held = self._held[id(vertex)]
            if len(held) < _MOST_HELD:
                held.append({"stream": text})
            elif len(held) == _MOST_HELD:
                held.append({"stream": "[output left out: too much came while another step was being told]\n"})

    def _let_go(self, vertex: Vertex) -> None:
        for message in self._held[id(vertex)]:
            self.tell(message)
        self._held[id(vertex)] = []
