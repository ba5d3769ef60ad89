"""One HTTP connection: aiohttp's protocol, errors in the registry's shape, and heads that are bounded as a whole."""

from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import StreamResponse

from havre.registry.errors import error_response

# aiohttp bounds each header and how many there are, which together is far more than anybody sends.
_MOST_HEAD = 128 * 1024


class Connection(RequestHandler):
    """``_head`` is how many bytes have come since the last request began without another one beginning."""

    _head = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waiter is None or self._waiter.done() or self._messages:
            self._head = 0
            return
        self._head += len(data)
        if self._head > _MOST_HEAD:
            self.force_close()

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> StreamResponse:
        """The answer to what is no HTTP. ``ConnectionError`` when another answer has begun."""
        if request.writer.output_size > 0:
            raise ConnectionAbortedError("failed in the middle of a response") from exc
        response = error_response(status, "UNKNOWN", message or "bad request")
        response.force_close()
        return response
