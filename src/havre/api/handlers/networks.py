"""Networks: what is there."""

from aiohttp.web_response import StreamResponse

from havre.api import answers, respond
from havre.api.call import Call


async def list_(call: Call) -> StreamResponse:
    return respond.json(call.engine.networks.list(call.filters()))


async def inspect(call: Call) -> StreamResponse:
    scope = "" if call.before(1, 31) else call.text("scope")
    return respond.json(answers.network(call.version, call.engine.networks.inspect(call.name(), scope)))


async def remove(call: Call) -> StreamResponse:
    call.engine.networks.remove(call.name())
    return respond.empty()


async def prune(call: Call) -> StreamResponse:
    return respond.json(call.engine.networks.prune(call.filters()))
