"""The answers a handler can give: JSON at once, nothing, JSON messages as they come, bytes as they come."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from aiohttp.web_response import Response, StreamResponse

from havre.api.call import Call
from havre.api.errors import message_of

T = TypeVar("T")

JSON = "application/json"
_encoder = msgspec.json.Encoder()


def json(document: Any, status: int = 200) -> Response:
    """``document`` with the line end Go's encoder puts behind it."""
    return Response(status=status, body=_encoder.encode(document) + b"\n", content_type=JSON)


def empty(status: int = 204) -> Response:
    """No body."""
    return Response(status=status)


def raw(body: bytes, content_type: str) -> Response:
    """A body that is encoded already."""
    return Response(body=body, content_type=content_type)


async def begin(call: Call, content_type: str, headers: Mapping[str, str] | None = None) -> StreamResponse:
    """Send the status and the headers now; the body follows through the response's ``write``."""
    response = StreamResponse(headers=headers)
    response.content_type = content_type
    await response.prepare(call.request)
    return response


async def messages(call: Call, messages: AsyncIterator[dict[str, Any]], *, in_band: bool = False) -> StreamResponse:
    """Docker's JSON messages, each on a line, as they come.

    An error before the first message is an HTTP error, unless ``in_band``; later the status is out, and it goes as the
    last message: ``{"errorDetail": …, "error": …}``. When the client goes the messages are closed.
    """
    async with _closing(messages) as source:
        first: dict[str, Any] | None = None
        try:
            first = await anext(source, None)
        except Exception as error:
            if not in_band:
                raise
            first = _error_message(error)
        response = await begin(call, JSON)
        if first is not None:
            await response.write(_line(first))
        try:
            async for message in source:
                await response.write(_line(message))
        except ConnectionError:
            raise
        except Exception as error:
            await response.write(_line(_error_message(error)))
        await response.write_eof()
        return response


async def chunks(
    call: Call,
    content_type: str,
    chunks: AsyncIterator[bytes],
    headers: Mapping[str, str] | None = None,
    *,
    wait_for_first: bool = True,
) -> StreamResponse:
    """A stream of bytes. An error before the first chunk is an HTTP error; later the connection is cut short.

    Without ``wait_for_first`` the headers go out at once: the first chunk may be long in coming.
    """
    async with _closing(chunks) as source:
        first = await anext(source, b"") if wait_for_first else b""
        response = await begin(call, content_type, headers)
        if first:
            await response.write(first)
        async for chunk in source:
            await response.write(chunk)
        await response.write_eof()
        return response


@asynccontextmanager
async def _closing(source: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """``source``, closed at the end if it can be: the engine stops working for a client that has gone."""
    try:
        yield source
    finally:
        if (close := getattr(source, "aclose", None)) is not None:
            await close()


def _line(message: Any) -> bytes:
    return _encoder.encode(message) + b"\r\n"


def _error_message(error: Exception) -> dict[str, Any]:
    text = message_of(error)
    code = getattr(error, "code", 0)
    return {"errorDetail": {**({"code": code} if code else {}), "message": text}, "error": text}
