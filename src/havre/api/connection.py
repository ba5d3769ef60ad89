"""One HTTP connection of the door: aiohttp's protocol, with what Docker's clients need beyond HTTP.

Three things are added. A request that may turn its connection into a raw stream (attach, exec start) is cut off exactly
at its end, so that stdin a client sends behind it, even in the same packet, reaches the stream and not the HTTP parser.
A half-close behind such a request is kept. And a handler that only serves its client ends when the client goes.
"""

import re
from typing import Any

from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

from havre.api.errors import error_response

_HIJACKABLE = re.compile(rb"POST (?:/v[0-9.]+)?/(?:containers/[^ ?]+/attach|exec/[^ ?]+/start)[ ?]")
_LONGEST_START = 512
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
_MAX_HEAD = 64 * 1024
_MAX_HELD = 256 * 1024


class Connection(RequestHandler):
    """aiohttp's protocol for one connection. ``held`` is what came behind a request that may become a raw stream."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.serves_client_only = False
        self._head = b""
        self._in_head = False
        self._body_left = 0
        self._held: bytearray | None = None
        self._half_closed = False

    def data_received(self, data: bytes) -> None:
        if self._held is not None:
            self._hold(data)
        elif self._head or (self._is_idle() and _may_begin_hijackable(data)):
            self._collect(self._head + data)
        else:
            super().data_received(data)
            self._in_head = self._is_idle()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        if self._held is not None:
            self._half_closed = True
            return True
        super().eof_received()
        return None

    def connection_lost(self, exc: BaseException | None) -> None:
        handler = self._task_handler
        super().connection_lost(exc)
        if self.serves_client_only and handler is not None:
            handler.cancel()

    def end_stream(self) -> None:
        """Cancel the handler if it only serves its client."""
        if self.serves_client_only and self._task_handler is not None:
            self._task_handler.cancel()

    def leave_http(self) -> tuple[bytes, bool]:
        """What the client sent behind its request, and whether it has closed its half since; HTTP ends here."""
        early, self._held = bytes(self._held or b""), None
        return early, self._half_closed

    async def finish_response(
        self, request: BaseRequest, resp: StreamResponse, start_time: float | None
    ) -> tuple[StreamResponse, bool]:
        """As in aiohttp; then, if the connection stays HTTP, what was held goes to the parser after all."""
        self.serves_client_only = False
        result = await super().finish_response(request, resp, start_time)
        if self._held is not None:
            data, self._held = bytes(self._held), None
            if self.transport is not None:
                self.transport.resume_reading()
                self.data_received(data)
                if self._half_closed:
                    self.close()
        return result

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> StreamResponse:
        """The answer to what is no HTTP, in the shape of all errors. ``ConnectionError`` when another one has begun."""
        if request.writer.output_size > 0:
            # The status is out and cannot be taken back: an end without the last chunk is what tells the client.
            raise ConnectionAbortedError("failed in the middle of a response") from exc
        response = error_response(status, message or (str(exc) if exc else "bad request"))
        response.force_close()
        return response

    def _is_idle(self) -> bool:
        """Whether the server waits for a request, and no part of one has come."""
        # With TLS the first request can be here before the server's task has begun to wait.
        waits = self._waiter is not None or self._request_count == 0
        return waits and not self._messages and not self._in_head

    def _collect(self, data: bytes) -> None:
        """Wait for the whole head of what may be hijackable, then feed the request and hold what is behind it."""
        end = data.find(b"\r\n\r\n") + 4
        if end == 3 and len(data) <= _MAX_HEAD:
            self._head = data
            return
        self._head = b""
        if end == 3 or not _HIJACKABLE.match(data):
            super().data_received(data)
            self._in_head = end == 3
            return
        length = _CONTENT_LENGTH.search(data, 0, end)
        self._body_left = int(length[1]) if length else 0
        self._held = bytearray()
        super().data_received(data[:end])
        self._hold(data[end:])

    def _hold(self, data: bytes) -> None:
        assert self._held is not None
        if self._body_left:
            body, data = data[: self._body_left], data[self._body_left :]
            self._body_left -= len(body)
            super().data_received(body)
        if data:
            self._held += data
            if len(self._held) >= _MAX_HELD and self.transport is not None:
                self.transport.pause_reading()


def _may_begin_hijackable(data: bytes) -> bool:
    """Whether ``data`` is the beginning of a hijackable request, or too short to tell."""
    if not data.startswith(b"POST /"[: len(data)]):
        return False
    has_path = b" " in data[5:_LONGEST_START] or len(data) >= _LONGEST_START
    return not has_path or _HIJACKABLE.match(data) is not None
