"""A connection that has left HTTP: the raw stream of attach and exec, taken over from the HTTP server.

After the answer (``101 UPGRADED`` for a client that asked, else ``200 OK``) the transport gets a new protocol,
``RawStream``, which is the engine's ``Duplex``. Both directions are held back: the client is not read while 256 KiB
wait to be taken, and ``write`` waits while the socket is full. Small writes made in one turn of the event loop leave as
one.
"""

import asyncio
import logging
import select
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

from havre.api.call import Call
from havre.api.connection import Connection
from havre.errors import HavreError

log = logging.getLogger(__name__)

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"

_READ_HIGH, _READ_LOW = 256 * 1024, 64 * 1024
_WRITE_HIGH, _WRITE_LOW = 1024 * 1024, 256 * 1024
_GATHER = 128 * 1024
# Two writes closer than this belong to much output: then fewer, larger sends spare both ends work.
_BUSY_SECONDS = 0.001
# How long a client may go on sending after our end of the stream is out, before the connection is closed on it.
_LINGER_SECONDS = 5.0


class RawStream(asyncio.Protocol):
    """The bytes of one hijacked connection. ``read`` gives ``b""`` once the client has closed its half or has gone."""

    def __init__(self, transport: asyncio.Transport, before: Connection, early: bytes, ended: bool) -> None:
        """Take over ``transport`` from ``before``; ``early`` came behind the request, a half-close too if ``ended``."""
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._before = before
        self._incoming: deque[bytes] = deque([early] if early else ())
        self._incoming_size = len(early)
        self._outgoing: list[bytes] = []
        self._outgoing_size = 0
        self._flushed_at = 0.0
        self._ended = False
        self._lost = False
        self._closed = False
        self._reading_paused = False
        self._writing_paused = False
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._over = self._loop.create_future()
        self._hangup: select.epoll | None = None
        transport.set_write_buffer_limits(_WRITE_HIGH, _WRITE_LOW)
        transport.set_protocol(self)
        transport.resume_reading()
        if ended:
            self._end()

    async def read(self) -> bytes:
        """What the client sent, at least one byte; ``b""`` at its half-close or when it has gone."""
        while not self._incoming:
            if self._ended or self._lost or self._closed:
                return b""
            self._readable = self._loop.create_future()
            await self._readable
        data = self._incoming.popleft()
        self._incoming_size -= len(data)
        if self._reading_paused and self._incoming_size <= _READ_LOW:
            self._reading_paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send ``data``; waits while the client does not read. ``ConnectionResetError`` once it has gone."""
        if self._lost or self._closed:
            raise ConnectionResetError("the connection is closed")
        if not self._outgoing:
            self._flush_soon()
        self._outgoing.append(data)
        self._outgoing_size += len(data)
        if self._outgoing_size >= _GATHER:
            self._flush()
        while self._writing_paused and not self._lost:
            self._writable = self._writable or self._loop.create_future()
            await asyncio.shield(self._writable)

    async def write_eof(self) -> None:
        """Close our half: the client sees the end of the stream and may go on sending."""
        self._flush()
        if not self._lost and not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """Read and write no more. ``hijack`` then ends the connection itself, in a way the client survives."""
        self._flush()
        self._closed = True
        self._incoming.clear()
        if self._reading_paused and not self._lost:
            self._reading_paused = False
            self._transport.resume_reading()
        self._wake_reader()

    async def finish(self) -> None:
        """End the connection so that the client gets all of it: our half first, the rest when it closes its own.

        Closing at once would make the kernel reset a connection whose stdin was not read to its end, and the client
        report that instead of the exit code.
        """
        await self.write_eof()
        self.close()
        if not (self._ended or self._lost) and self._transport.can_write_eof():
            await asyncio.wait([self._over], timeout=_LINGER_SECONDS)
        self._transport.close()

    def drop(self) -> None:
        """Close the connection once what was written is out."""
        self.close()
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        self._incoming.append(data)
        self._incoming_size += len(data)
        if self._incoming_size >= _READ_HIGH and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        self._end()
        return True

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._hangup is not None:
            self._loop.remove_reader(self._hangup.fileno())
            self._hangup.close()
        self._outgoing.clear()
        self.resume_writing()
        self._wake_reader()
        self._set_over()
        # The HTTP server counts its connections and cancels the handler of one that is gone.
        self._before.connection_lost(exc)

    def _end(self) -> None:
        """The client has closed its half. From now on the event loop does not read, and would not see it go."""
        self._ended = True
        self._wake_reader()
        self._set_over()
        sock = self._transport.get_extra_info("socket")
        if sock is not None and self._hangup is None and not self._transport.is_closing():
            # Registered for nothing, a socket reports but the end of both directions; an epoll can be polled itself.
            self._hangup = select.epoll()
            self._hangup.register(sock.fileno(), 0)
            self._loop.add_reader(self._hangup.fileno(), self._transport.abort)

    def _flush_soon(self) -> None:
        """Send at the end of this turn of the loop; in the middle of much output, once a millisecond."""
        if self._loop.time() - self._flushed_at < _BUSY_SECONDS:
            self._loop.call_later(_BUSY_SECONDS, self._flush)
        else:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._outgoing:
            self._flushed_at = self._loop.time()
            data = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
            self._outgoing.clear()
            self._outgoing_size = 0
            if not self._transport.is_closing():
                self._transport.write(data)

    def _wake_reader(self) -> None:
        if self._readable is not None and not self._readable.done():
            self._readable.set_result(None)
        self._readable = None

    def _set_over(self) -> None:
        if not self._over.done():
            self._over.set_result(None)


class _Sent(StreamResponse):
    """Stands for an answer that has been sent outside of the HTTP server, whose connection is done with HTTP."""

    async def prepare(self, request: BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


async def hijack(call: Call, run: Callable[[RawStream], Awaitable[None]], *, multiplexed: bool) -> StreamResponse:
    """Answer, leave HTTP, and give the stream to ``run`` until that ends or the client goes (then ``run`` is
    cancelled).

    ``multiplexed`` says that stdout and stderr go framed: since API 1.42 the Content-Type of an upgrade tells them
    apart.
    """
    stream = take_over(call.request, _answer(call, multiplexed))
    try:
        await run(stream)
        await stream.finish()
    except HavreError as error:
        # The status is long out: like Docker, say it where the output goes.
        await stream.write(f"{error.message}\r\n".encode())
        await stream.finish()
    except ConnectionError:
        pass
    except Exception:
        log.exception("%s %s failed in the middle of its stream", call.request.method, call.request.path)
    finally:
        stream.drop()
    response = _Sent()
    response.force_close()
    return response


async def upgrade(call: Call, protocol: str, run: Callable[[RawStream], Awaitable[None]]) -> StreamResponse:
    """Answer, leave HTTP for ``protocol``, and give the stream to ``run`` until that ends."""
    lines = ["HTTP/1.1 101 UPGRADED", f"Content-Type: {RAW}", "Connection: Upgrade", f"Upgrade: {protocol}", "", ""]
    stream = take_over(call.request, "\r\n".join(lines).encode())
    try:
        await run(stream)
    except ConnectionError:
        pass
    except Exception:
        log.exception("%s %s failed in the middle of its stream", call.request.method, call.request.path)
    finally:
        stream.drop()
    response = _Sent()
    response.force_close()
    return response


def take_over(request: BaseRequest, answer: bytes) -> RawStream:
    """Write ``answer`` on the request's connection, now a raw stream. ``ConnectionResetError`` if it is gone."""
    connection = cast(Connection, request.protocol)
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client has closed the connection")
    transport.write(answer)
    early, ended = connection.leave_http()
    return RawStream(transport, connection, early, ended)


def _answer(call: Call, multiplexed: bool) -> bytes:
    if call.is_upgrade():
        kind = MULTIPLEXED if multiplexed and not call.before(1, 42) else RAW
        lines = ["HTTP/1.1 101 UPGRADED", f"Content-Type: {kind}", "Connection: Upgrade", "Upgrade: tcp"]
    else:
        lines = ["HTTP/1.1 200 OK", f"Content-Type: {RAW}"]
    return "\r\n".join([*lines, "", ""]).encode()
