"""Blobs: handed out whole or in part, and deleted."""

import asyncio
import contextlib
import logging
import re

from aiohttp.web_response import Response, StreamResponse

from havre.registry import names
from havre.registry.call import Call
from havre.registry.errors import BlobUnknown
from havre.registry.handlers import answers
from havre.registry.storage import Content

log = logging.getLogger(__name__)

_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


async def get(call: Call) -> StreamResponse:
    """GET and HEAD …/blobs/<digest>."""
    digest = names.digest(call.reference)
    etag = f'"{digest}"'
    headers = {
        "Docker-Content-Digest": digest,
        "Etag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "max-age=31536000",
    }
    # Before the look: what the client is told is there stays until it has used it.
    with call.registry.leases.looking(call.repository, digest):
        content = await _find(call, digest)
    try:
        unchanged = answers.not_modified(call, etag, headers)
        if unchanged is not None:
            return unchanged
        if content.address is not None and call.method == "GET":
            call.tell("pulled", "blob", digest, size=content.size)
            return Response(status=307, headers={"Location": content.address, "Docker-Content-Digest": digest})
        response, start = _head(call, content.size, etag, headers)
        response.content_type = "application/octet-stream"
        if call.method == "GET" and response.status < 300:
            await _send(call, response, content, start)
            call.tell("pulled", "blob", digest, size=content.size)
        return response
    finally:
        await content.close()


async def delete(call: Call) -> Response:
    """DELETE …/blobs/<digest>: this repository does not have it any more."""
    digest = names.digest(call.reference)
    size = await call.registry.catalog.unlink_blob(call.repository, digest)
    if size is None:
        raise _unknown(digest)
    call.tell("deleted", "blob", digest, size=size)
    return Response(status=202, headers={"Docker-Content-Digest": digest})


async def _find(call: Call, digest: str) -> Content:
    registry = call.registry
    content = None
    size = await registry.catalog.blob_size(call.repository, digest)
    if size is not None:
        content = await registry.storage.open(digest)
        if content is None or content.size != size:
            log.error("%s is damaged: it is lacking until somebody brings it again", digest)
            if content is not None:
                await content.close()
                content = None
    if content is None:
        content = await registry.upstream.blob(call.repository, digest)
    if content is None:
        raise _unknown(digest)
    return content


def _unknown(digest: str) -> BlobUnknown:
    return BlobUnknown("blob unknown to registry", detail={"digest": digest})


def _head(call: Call, size: int, etag: str, headers: dict[str, str]) -> tuple[StreamResponse, int]:
    """Status and headers of the answer, and the first byte of what is asked for.

    Of several ranges at once the whole is sent, as is what has another ETag than the client goes on with (RFC 9110).
    """
    found = _RANGE.fullmatch(call.headers.get("Range", ""))
    if found is None or call.headers.get("If-Range", etag) != etag:
        return _response(200, size, headers), 0
    first, last, suffix = found.groups()
    if suffix is not None:
        start, end = max(size - int(suffix), 0), size
        empty = int(suffix) == 0 or size == 0
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return _response(200, size, headers), 0
        empty = start >= size
    if empty:
        return Response(status=416, headers={**headers, "Content-Range": f"bytes */{size}"}), 0
    return _response(206, end - start, {**headers, "Content-Range": f"bytes {start}-{end - 1}/{size}"}), start


def _response(status: int, length: int, headers: dict[str, str]) -> StreamResponse:
    response = StreamResponse(status=status, headers=headers)
    response.content_length = length
    return response


async def _send(call: Call, response: StreamResponse, content: Content, start: int) -> None:
    length = response.content_length or 0
    writer = await response.prepare(call.request)
    transport = call.request.transport
    if transport is None or writer is None:
        raise ConnectionResetError("the client has gone")
    sent = 0
    if content.file is not None and length:
        loop = asyncio.get_running_loop()
        # Those who wait for a blob that arrives are many: what they are sent must take no memory.
        while sent < length and (ready := await content.ready(start + sent, length - sent)):
            count = await loop.sendfile(transport, content.file, start + sent, ready)
            sent += count
            # aiohttp counts only what it sends itself.
            call.request.writer.output_size += count
            if count < ready:
                break
    else:
        async with contextlib.aclosing(content.chunks(start, length)) as chunks:
            async for chunk in chunks:
                await response.write(chunk)
                sent += len(chunk)
    if sent != length:
        # An end before its time is the only way left to say so.
        raise ConnectionAbortedError("the blob is shorter than it was")
    await response.write_eof()
