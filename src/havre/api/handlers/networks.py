"""Networks: what is there."""

from aiohttp.web_response import StreamResponse

from havre.api import respond
from havre.api.call import Call
from havre.errors import Forbidden


async def list_(call: Call) -> StreamResponse:
    return respond.json(await call.engine.networks.list(call.filters()))


async def inspect(call: Call) -> StreamResponse:
    return respond.json(await call.engine.networks.inspect(call.name()))


async def remove(call: Call) -> StreamResponse:
    """Only the predefined networks exist so far, and those stay."""
    found = await call.engine.networks.inspect(call.name())
    raise Forbidden(f"{found['Name']} is a pre-defined network and cannot be removed")


async def prune(call: Call) -> StreamResponse:
    return respond.json(await call.engine.networks.prune(call.filters()))
