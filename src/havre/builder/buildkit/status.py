"""A build's progress in BuildKit's messages: vertices, what goes on in them, and their output."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from havre.builder.buildkit.messages.control import (
    StatusResponse,
    VertexLog,
    VertexMessage,
    VertexStatus,
    VertexWarning,
)
from havre.builder.buildkit.messages.shared import Position, Range, SourceInfo, timestamp
from havre.builder.plan.vertices import Local, Vertex
from havre.dockerfile.lint import Finding

DEFINITION = "[internal] load build definition from {}"
_MOST_OUTPUT = 2 << 20  # of one step, as BuildKit keeps of it
_CLIPPED = b"\n[output clipped, log limit 2MiB reached]\n"


class Status:
    """The ``Progress`` of one build, read by one client."""

    def __init__(self, ref: str) -> None:
        self._ref = ref
        self._queue: deque[StatusResponse] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._messages: dict[str, VertexMessage] = {}
        self._output: dict[str, int] = {}
        self._source = SourceInfo()

    # -- Progress --

    def begins(self, vertex: Vertex) -> None:
        if not isinstance(vertex.operation, Local) and vertex.name:
            inputs = [self._digest(below) for below in vertex.inputs if below.name]
            self._begin(self._digest(vertex), vertex.name, inputs)

    def writes(self, vertex: Vertex, stream: int, data: bytes) -> None:
        digest = self._digest(vertex)
        before = self._output.get(digest, 0)
        self._output[digest] = before + len(data)
        if before > _MOST_OUTPUT:
            return
        if before + len(data) > _MOST_OUTPUT:
            data = data[: _MOST_OUTPUT - before] + _CLIPPED
            self._output[digest] = _MOST_OUTPUT + 1
        self._tell(StatusResponse(logs=[VertexLog(digest, timestamp(), stream, data)]))

    def ends(self, vertex: Vertex, cached: bool, error: str = "") -> None:
        self._end(self._digest(vertex), cached, error)

    def warns(self, findings: Sequence[Finding]) -> None:
        self._tell(StatusResponse(warnings=[self._warning(one) for one in findings]))

    def explains(self, vertex: Vertex, reasons: Sequence[str]) -> None:
        self.writes(vertex, 2, "".join(f"{reason}\n" for reason in reasons).encode())

    # -- what is no step of the Dockerfile --

    @contextmanager
    def step(self, name: str) -> Iterator["Step"]:
        """Something that goes on while the block lasts."""
        digest = _digest_of(f"{self._ref} {name}")
        self._begin(digest, name, [])
        try:
            yield Step(self, digest)
        except BaseException as error:
            self._end(digest, False, str(error) or type(error).__name__)
            raise
        self._end(digest, False, "")

    def note(self, name: str, error: str) -> None:
        """Something that did not work, and does not matter."""
        digest = _digest_of(f"{self._ref} {name}")
        self._begin(digest, name, [])
        self._end(digest, False, error)

    def part(self, status: VertexStatus) -> None:
        self._tell(StatusResponse(statuses=[status]))

    async def read(self) -> AsyncIterator[StatusResponse]:
        """All messages, to the end of the build."""
        while True:
            while self._queue:
                yield self._queue.popleft()
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    def reads(self, name: str, content: bytes) -> None:
        """The Dockerfile that warnings are about."""
        self._source = SourceInfo(name, content, "Dockerfile")

    def close(self) -> None:
        """The build is over."""
        self._closed = True
        self._changed.set()

    def _warning(self, finding: Finding) -> VertexWarning:
        place = Range(Position(finding.first), Position(finding.last))
        digest = _digest_of(f"{self._ref} {DEFINITION.format(self._source.filename)}")
        return VertexWarning(digest, 1, finding.text.encode(), info=self._source, ranges=[place])

    def _digest(self, vertex: Vertex) -> str:
        return _digest_of(f"{self._ref} {id(vertex)}")

    def _begin(self, digest: str, name: str, inputs: list[str]) -> None:
        message = self._messages[digest] = VertexMessage(digest, inputs, name, started=timestamp())
        self._tell(StatusResponse(vertexes=[message]))

    def _end(self, digest: str, cached: bool, error: str) -> None:
        message = self._messages.get(digest)
        if message is not None:
            self._tell(StatusResponse([replace(message, completed=timestamp(), cached=cached, error=error)]))

    def _tell(self, response: StatusResponse) -> None:
        self._queue.append(response)
        self._changed.set()


class Step:
    """One step that is none of the Dockerfile's."""

    def __init__(self, status: Status, digest: str) -> None:
        self._status = status
        self._digest = digest

    @contextmanager
    def part(self, name: str) -> Iterator["Part"]:
        """A part of it, with a time of its own."""
        part = Part(self._status, VertexStatus(name, self._digest, name, timestamp=timestamp(), started=timestamp()))
        part.tell(0)
        yield part
        part.finish()


class Part:
    """A part of a step: how far it has come."""

    def __init__(self, status: Status, message: VertexStatus) -> None:
        self._status = status
        self._message = message

    def tell(self, current: int, total: int = 0) -> None:
        self._message = replace(self._message, current=current, total=total, timestamp=timestamp())
        self._status.part(self._message)

    def finish(self) -> None:
        self._message = replace(self._message, completed=timestamp(), timestamp=timestamp())
        self._status.part(self._message)


def _digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
