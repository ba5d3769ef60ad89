"""Networks."""

from aiohttp.web_response import StreamResponse

from havre.api import answers, respond
from havre.api.call import Call
from havre.errors import InvalidParameter
from havre.lib.booleans import parse_bool
from havre.wire.networks import NetworkConnect, NetworkCreate, NetworkDisconnect


async def create(call: Call) -> StreamResponse:
    return respond.json(await call.engine.networks.create(await call.body(NetworkCreate)), 201)


async def list_(call: Call) -> StreamResponse:
    return respond.json(call.engine.networks.list(call.filters()))


async def inspect(call: Call) -> StreamResponse:
    scope = "" if call.before(1, 31) else call.text("scope")
    text = "" if call.before(1, 28) else call.text("verbose")
    verbose = parse_bool(text or "false")
    if verbose is None:
        reason = f'strconv.ParseBool: parsing "{text}": invalid syntax'
        raise InvalidParameter(f"invalid value for verbose: {text}: {reason}")
    return respond.json(answers.network(call.version, call.engine.networks.inspect(call.name(), scope, verbose)))


async def remove(call: Call) -> StreamResponse:
    await call.engine.networks.remove(call.name())
    return respond.empty()


async def connect(call: Call) -> StreamResponse:
    body = await call.body(NetworkConnect)
    await call.engine.networks.connect(call.name(), body.container, body.endpoint_config)
    return respond.empty(200)


async def disconnect(call: Call) -> StreamResponse:
    body = await call.body(NetworkDisconnect)
    await call.engine.networks.disconnect(call.name(), body.container, body.force)
    return respond.empty(200)


async def prune(call: Call) -> StreamResponse:
    return respond.json(await call.engine.networks.prune(call.filters()))


async def repair(call: Call) -> StreamResponse:
    """havre's own."""
    return respond.json(await call.engine.networks.repair())
