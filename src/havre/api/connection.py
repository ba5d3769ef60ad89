"""One HTTP connection of the door: aiohttp's protocol, with what Docker's clients need beyond HTTP.

The parser is given one request at a time, cut off exactly at its end. So stdin that a client sends behind a request
which may turn its connection into a raw stream (attach, exec start, BuildKit's), even in the same packet, reaches the
stream and not the parser; whatever else comes early waits until the request before it is answered. A half-close behind
such a request is kept, and one behind any other still gets its answer. A handler that only serves its client ends when
the client goes.
"""

import re
from typing import Any

from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

from havre.api.errors import error_response

_HIJACKABLE = re.compile(rb"POST (?:/v[0-9.]+)?/(?:containers/[^ ?]+/attach|exec/[^ ?]+/start|grpc|session)[ ?]")
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
# A head this long is the parser's to refuse.
_MAX_HEAD = 256 * 1024
_MAX_HELD = 256 * 1024


class Connection(RequestHandler):
    """aiohttp's protocol for one connection.

    ``_held`` is what came behind the request under way, None between requests. A request whose body is chunked has no
    end that can be seen from outside: from then on the connection is ``_unframed``, and all goes to the parser as it
    comes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.serves_client_only = False
        self._head = b""
        self._held: bytearray | None = None
        self._body_left = 0
        self._answered = False
        self._hijackable = False
        self._half_closed = False
        self._unframed = False

    def data_received(self, data: bytes) -> None:
        if not data:
            # aiohttp calls itself so, to go on with what it kept while the body's reader was slow.
            super().data_received(data)
        elif self._held is not None:
            self._hold(data)
        elif self._unframed or self._upgraded:
            super().data_received(data)
        else:
            self._begin(self._head + data if self._head else data)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        if self._held is not None and not self._body_left:
            if self._hijackable:
                self._half_closed = True
                return True
            if not self.serves_client_only:
                # What was asked for is done and answered; only then the connection is closed.
                self.close()
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
        """As in aiohttp; then the next request may come."""
        self.serves_client_only = False
        result = await super().finish_response(request, resp, start_time)
        self._answered = True
        if self._held is not None and not self._body_left:
            self._next()
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

    def _begin(self, data: bytes) -> None:
        """Wait for the whole head of a request, then give the parser the request and hold what is behind it."""
        end = data.find(b"\r\n\r\n") + 4
        if end == 3 and len(data) <= _MAX_HEAD:
            self._head = data
            return
        self._head = b""
        if end == 3 or _CHUNKED.search(data, 0, end):
            self._unframed = True
            super().data_received(data)
            return
        length = _CONTENT_LENGTH.search(data, 0, end)
        self._body_left = int(length[1]) if length else 0
        self._hijackable = _HIJACKABLE.match(data) is not None
        self._answered = False
        self._held = bytearray()
        super().data_received(data[:end])
        if self._upgraded:
            # A WebSocket: what follows is aiohttp's.
            self._held = None
            super().data_received(data[end:])
        else:
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
        if self._answered and not self._body_left:
            self._next()

    def _next(self) -> None:
        """Begin the next request, if some of it is here."""
        data, self._held = bytes(self._held or b""), None
        if self.transport is None:
            return
        if self._half_closed:
            self.close()
            return
        self.transport.resume_reading()
        if data:
            self.data_received(data)
