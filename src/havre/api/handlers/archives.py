"""Files in and out of containers as tar streams: ``docker cp``."""

import base64
from typing import Any

import msgspec
from aiohttp.web_response import StreamResponse

from havre.api import respond
from havre.api.call import Call
from havre.errors import InvalidParameter

_TAR = "application/x-tar"


async def stat(call: Call) -> StreamResponse:
    response = respond.empty(200)
    response.headers.update(_stat_header(await call.engine.copy.stat(call.name(), _path(call))))
    return response


async def get(call: Call) -> StreamResponse:
    found, chunks = await call.engine.copy.get(call.name(), _path(call))
    return await respond.chunks(call, _TAR, chunks, _stat_header(found))


async def put(call: Call) -> StreamResponse:
    keep_directories, owners = call.flag("noOverwriteDirNonDir"), call.flag("copyUIDGID")
    await call.engine.copy.put(call.name(), _path(call), call.chunks(), keep_directories, owners)
    return respond.empty(200)


def _path(call: Call) -> str:
    if path := call.text("path"):
        return path
    raise InvalidParameter("bad parameter: path cannot be empty")


def _stat_header(found: dict[str, Any]) -> dict[str, str]:
    return {"X-Docker-Container-Path-Stat": base64.b64encode(msgspec.json.encode(found)).decode()}
