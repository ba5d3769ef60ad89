"""gRPC on a connection that has left HTTP/1: calls of ours and of the other end, side by side on HTTP/2.

Both directions of each call are held back: the other end may not send more than a call's reader takes, and ``send``
waits for room. One message is at most ``LARGEST`` bytes.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from havre.builder.buildkit import statuses
from havre.builder.buildkit.statuses import RpcError
from havre.lib.protobuf import DecodeError, Message
from havre.lib.tasks import TaskOwner

log = logging.getLogger(__name__)

LARGEST = 16 << 20
_WINDOW = 1 << 20
_CONNECTION_WINDOW = 16 << 20
_PREFIX = 5  # of a message: whether it is compressed, and its length
_LONGEST_HEADERS = 64 << 10
_MOST_CALLS = 128  # of the other end at once

M = TypeVar("M", bound=Message)
Headers = Iterable[tuple[str, str]]


class Wire(Protocol):
    """The bytes of the connection. ``read`` gives ``b""`` at its end."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...


class Stream:
    """One call: messages both ways. ``metadata`` are the headers it began with."""

    def __init__(self, connection: "Connection", number: int, metadata: Mapping[str, list[str]]) -> None:
        self._connection = connection
        self.number = number
        self.metadata = metadata
        self._chunks: deque[tuple[bytes, int]] = deque()
        self._buffer = bytearray()
        self._ended = False
        self._answered = False
        self._changed = asyncio.Event()
        self._error: RpcError | None = None
        self.headers: dict[str, str] = {}

    async def receive(self, kind: type[M]) -> M | None:
        """The next message; None at the end. Raises the error the call ended with."""
        head = await self._take(_PREFIX, True)
        if head is None:
            if self._error is not None:
                raise self._error
            return None
        if head[0]:
            raise RpcError(statuses.UNIMPLEMENTED, "compressed messages are not supported")
        size = int.from_bytes(head[1:], "big")
        if size > LARGEST:
            raise RpcError(statuses.EXHAUSTED, f"received message larger than max ({size} vs. {LARGEST})")
        data = await self._take(size, False)
        assert data is not None
        try:
            return kind.decoded(data)
        except DecodeError as error:
            raise RpcError(statuses.INVALID, f"{kind.__name__}: {error}") from None

    async def send(self, message: Message) -> None:
        """Send one message; waits while the other end has no room for it."""
        data = message.encoded()
        await self._connection.send(self, b"\0" + len(data).to_bytes(4, "big") + data)

    async def end(self) -> None:
        """Nothing more will be sent (of a call of ours)."""
        await self._connection.end(self)

    async def fail_if_failed(self) -> None:
        """Wait for the end of a call of ours, passing over what still comes. Raises the error it ended with."""
        while not self._ended:
            self._drop_waiting()
            await self._wait()
        self._drop_waiting()
        if self._error is not None:
            raise self._error

    async def cancel(self) -> None:
        """Break the call off, if it is still under way."""
        await self._connection.reset(self)

    # -- what the connection tells --

    def put(self, data: bytes, flow: int) -> None:
        self._chunks.append((data, flow))
        self._changed.set()

    def finish(self, error: RpcError | None) -> None:
        if not self._ended:
            self._ended, self._error = True, error
            self._changed.set()

    @property
    def ended(self) -> bool:
        return self._ended

    async def _take(self, size: int, may_end: bool) -> bytes | None:
        while len(self._buffer) < size:
            if self._chunks:
                data, flow = self._chunks.popleft()
                self._buffer += data
                await self._connection.took(self, flow)
            elif self._ended:
                if may_end and not self._buffer:
                    return None
                raise self._error or RpcError(statuses.INTERNAL, "the call ended in the middle of a message")
            else:
                await self._wait()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _drop_waiting(self) -> None:
        self._chunks.clear()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


Handler = Callable[[Stream], Awaitable[None]]


class Connection:
    """One HTTP/2 connection. ``handlers`` answer what the other end calls, by path; ``client``: we are who calls."""

    def __init__(self, wire: Wire, handlers: Mapping[str, Handler] | None = None, *, client: bool = False) -> None:
        self._wire = wire
        self._handlers = handlers or {}
        self._client = client
        self._http = H2Connection(H2Configuration(client_side=client, header_encoding="utf-8"))
        self._http.local_settings = Settings(
            client,
            {
                SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW,
                SettingCodes.MAX_CONCURRENT_STREAMS: _MOST_CALLS,
                SettingCodes.MAX_HEADER_LIST_SIZE: _LONGEST_HEADERS,
            },
        )
        self._http.initiate_connection()
        self._http.increment_flow_control_window(_CONNECTION_WINDOW)
        self._streams: dict[int, Stream] = {}
        self._room = asyncio.Event()
        self._tasks = TaskOwner("calls of a client")
        self._running: dict[int, asyncio.Task[None]] = {}
        self._over = False

    async def run(self) -> None:
        """Serve the connection to its end; all calls end with it."""
        try:
            await self._flush()
            while data := await self._wire.read():
                try:
                    events = self._http.receive_data(data)
                except (ProtocolError, UnicodeDecodeError) as error:
                    log.debug("a client broke HTTP/2: %s", error)
                    await self._flush()
                    return
                for event in events:
                    if isinstance(event, ConnectionTerminated):
                        return
                    self._tell(event)
                await self._flush()
        except ConnectionError:
            pass
        finally:
            self._over = True
            for stream in list(self._streams.values()):
                stream.finish(RpcError(statuses.UNAVAILABLE, "the client has closed the connection"))
            self._room.set()
            await self._tasks.close()

    async def close(self) -> None:
        """Break off all that the other end has called."""
        self._over = True
        await self._tasks.close()

    async def call(self, path: str, metadata: Headers = ()) -> Stream:
        """Begin a call of the other end's ``path``."""
        if self._over:
            raise RpcError(statuses.UNAVAILABLE, "the client has closed the connection")
        number = self._http.get_next_available_stream_id()
        stream = self._streams[number] = Stream(self, number, {})
        self._http.send_headers(
            number,
            [
                *((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost")),
                *(("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", "havre")),
                *metadata,
            ],
        )
        await self._flush()
        return stream

    # -- of streams --

    async def send(self, stream: Stream, data: bytes) -> None:
        self._begin_answer(stream)
        at = 0
        while at < len(data):
            self._check(stream)
            room = min(
                self._http.local_flow_control_window(stream.number), self._http.max_outbound_frame_size, len(data) - at
            )
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            self._http.send_data(stream.number, data[at : at + room])
            at += room
            await self._flush()

    async def end(self, stream: Stream) -> None:
        if not self._over and not stream.ended:
            self._http.end_stream(stream.number)
            await self._flush()

    async def reset(self, stream: Stream) -> None:
        gone = self._streams.pop(stream.number, None)
        if gone is None or self._over or stream.ended:
            return
        stream.finish(RpcError(statuses.CANCELLED, "the call was broken off"))
        try:
            self._http.reset_stream(stream.number, ErrorCodes.CANCEL)
            await self._flush()
        except (ProtocolError, ConnectionError):
            pass  # it was over already

    async def took(self, stream: Stream, flow: int) -> None:
        if not self._over and flow:
            try:
                self._http.acknowledge_received_data(flow, stream.number)
            except ProtocolError:
                return  # the call is over
            await self._flush()

    def _check(self, stream: Stream) -> None:
        if self._over:
            raise RpcError(statuses.UNAVAILABLE, "the client has closed the connection")
        if stream.number not in self._streams or (self._client and stream.ended):
            raise stream._error or RpcError(statuses.CANCELLED, "the call is over")

    def _begin_answer(self, stream: Stream) -> None:
        if not self._client and not stream._answered:
            self._check(stream)
            stream._answered = True
            self._http.send_headers(stream.number, [(":status", "200"), ("content-type", "application/grpc")])

    async def _flush(self) -> None:
        if data := self._http.data_to_send():
            await self._wire.write(data)

    def _tell(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._begin(event)
            return
        if isinstance(event, WindowUpdated):
            self._room.set()
            return
        number = getattr(event, "stream_id", None)
        stream = self._streams.get(number) if number else None
        if isinstance(event, DataReceived):
            if stream is None:
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            else:
                stream.put(event.data, event.flow_controlled_length)
        elif stream is None:
            return
        elif isinstance(event, ResponseReceived | TrailersReceived):
            stream.headers.update(_strings(event.headers))
        elif isinstance(event, StreamEnded):
            self._finish(stream, statuses.of_trailers(stream.headers) if self._client else None)
        elif isinstance(event, StreamReset):
            self._finish(stream, RpcError(statuses.CANCELLED, "the client broke the call off"))
            self._streams.pop(stream.number, None)
            if (task := self._running.pop(stream.number, None)) is not None:
                task.cancel()

    def _finish(self, stream: Stream, error: RpcError | None) -> None:
        stream.finish(error)
        if self._client:
            self._streams.pop(stream.number, None)
        self._room.set()

    def _begin(self, event: RequestReceived) -> None:
        metadata: dict[str, list[str]] = {}
        for name, value in _strings_of(event.headers):
            metadata.setdefault(name, []).append(value)
        assert event.stream_id is not None
        stream = self._streams[event.stream_id] = Stream(self, event.stream_id, metadata)
        self._running[stream.number] = self._tasks.start(self._answer(stream), metadata.get(":path", ["?"])[0])

    async def _answer(self, stream: Stream) -> None:
        path = stream.metadata.get(":path", [""])[0]
        error: RpcError | None = None
        try:
            handler = self._handlers.get(path)
            if handler is None:
                raise RpcError(statuses.UNIMPLEMENTED, f"havre does not implement {path.lstrip('/')}")
            await handler(stream)
        except Exception as failure:
            error = statuses.of_error(failure)
            if error.code == statuses.INTERNAL:
                log.exception("%s failed", path)
        finally:
            self._running.pop(stream.number, None)
            known = self._streams.pop(stream.number, None) is not None
        if not known or self._over:
            return
        try:
            head = [] if stream._answered else [(":status", "200"), ("content-type", "application/grpc")]
            self._http.send_headers(stream.number, [*head, *statuses.trailers(error)], end_stream=True)
            if not stream.ended:
                # Whatever else the client sends of this call has nobody who reads it.
                self._http.reset_stream(stream.number, ErrorCodes.NO_ERROR)
            await self._flush()
        except (ProtocolError, ConnectionError):
            pass  # the client broke it off in this very moment


def _strings_of(headers: Iterable[tuple[str | bytes, str | bytes]]) -> list[tuple[str, str]]:
    return [(_string(name), _string(value)) for name, value in headers]


def _strings(headers: Iterable[tuple[str | bytes, str | bytes]]) -> dict[str, str]:
    return dict(_strings_of(headers))


def _string(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def unary(request: type[M], answer: Callable[[M, Stream], Awaitable[Message]]) -> Handler:
    """A handler of one message in, one message out."""

    async def handler(stream: Stream) -> None:
        message = await stream.receive(request)
        if message is None:
            raise RpcError(statuses.INVALID, "the call has no message")
        await stream.send(await answer(message, stream))

    return handler


def streaming(request: type[M], answer: Callable[[M, Stream], Awaitable[None]]) -> Handler:
    """A handler of one message in, and as many out as it sends."""

    async def handler(stream: Stream) -> None:
        message = await stream.receive(request)
        if message is None:
            raise RpcError(statuses.INVALID, "the call has no message")
        await answer(message, stream)

    return handler


async def ask(connection: Connection, path: str, request: Message, answer: type[M], metadata: Headers = ()) -> M:
    """One message to the other end, and its answer."""
    stream = await connection.call(path, metadata)
    try:
        await stream.send(request)
        await stream.end()
        found = await stream.receive(answer)
        if found is None:
            raise RpcError(statuses.INTERNAL, f"{path}: no answer")
        await stream.fail_if_failed()
        return found
    finally:
        await stream.cancel()
