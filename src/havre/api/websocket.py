"""Attach for browsers: the raw stream in WebSocket messages instead of a hijacked connection."""

from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType
from aiohttp.web_exceptions import HTTPBadRequest
from aiohttp.web_response import StreamResponse
from aiohttp.web_ws import WebSocketResponse

from havre.api.call import Call
from havre.engine.streams import Duplex
from havre.errors import HavreError, InvalidParameter

# A message is what one read or write of the container's streams carried; clients may paste more at once.
_MAX_MESSAGE = 4 * 1024 * 1024


class WebSocketStream:
    """The engine's ``Duplex`` over a WebSocket. A WebSocket has no half-close: its close ends both directions."""

    def __init__(self, socket: WebSocketResponse, *, binary: bool) -> None:
        self._socket = socket
        self._binary = binary

    async def read(self) -> bytes:
        """The next message's bytes; ``b""`` when the client has closed."""
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                data: bytes = message.data
            elif message.type is WSMsgType.TEXT:
                data = message.data.encode()
            else:
                return b""
            if data:
                return data

    async def write(self, data: bytes) -> None:
        """Send one message; ``ConnectionResetError`` when the client has gone."""
        if self._binary:
            await self._socket.send_bytes(data)
        else:
            await self._socket.send_str(data.decode(errors="replace"))

    async def write_eof(self) -> None:
        """Say that nothing more comes."""
        await self._socket.close()

    def close(self) -> None:
        """Nothing is held: the connection closes when the handler ends."""


async def serve_websocket(call: Call, run: Callable[[Duplex], Awaitable[None]], *, binary: bool) -> StreamResponse:
    """Shake hands and give the stream to ``run``; ``binary`` chooses the kind of message (text before API 1.28)."""
    socket = WebSocketResponse(max_msg_size=_MAX_MESSAGE, autoclose=True)
    try:
        await socket.prepare(call.request)
    except HTTPBadRequest:
        raise InvalidParameter("the request does not ask for a WebSocket as a WebSocket's handshake does") from None
    stream = WebSocketStream(socket, binary=binary)
    try:
        await run(stream)
    except HavreError as error:
        await stream.write(f"{error.message}\r\n".encode())
    except ConnectionError:
        pass
    await socket.close()
    return socket
