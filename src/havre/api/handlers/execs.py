"""Execs: further processes in a running container."""

from aiohttp.web_response import StreamResponse

from havre.api import respond
from havre.api.call import Call
from havre.api.hijack import hijack
from havre.errors import InvalidParameter
from havre.wire.containers import ExecConfig, ExecStart


async def create(call: Call) -> StreamResponse:
    config = await call.body(ExecConfig)
    if not config.cmd:
        raise InvalidParameter("No exec command specified")
    if call.before(1, 42):
        config.console_size = None
    return respond.json({"Id": await call.engine.execs.create(call.name(), config)}, 201)


async def start(call: Call) -> StreamResponse:
    request = await call.body(ExecStart)
    if call.before(1, 42) or not request.tty:
        request.console_size = None
    if request.detach:
        await call.engine.execs.start(call.name(), request, None)
        return respond.empty(200)
    session = await call.engine.execs.prepare_start(call.name(), request)
    return await hijack(call, session.run, multiplexed=not session.tty)


async def resize(call: Call) -> StreamResponse:
    rows, columns = call.size()
    await call.engine.execs.resize(call.name(), rows, columns)
    return respond.empty(200)


async def inspect(call: Call) -> StreamResponse:
    return respond.json(await call.engine.execs.inspect(call.name()))
