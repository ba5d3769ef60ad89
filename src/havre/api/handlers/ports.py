"""havre's own endpoints for published ports. Below ``/havre``, where Docker has nothing."""

from aiohttp.web_response import StreamResponse

from havre.api import respond
from havre.api.call import Call
from havre.wire.containers import PortsAdded


async def why(call: Call) -> StreamResponse:
    return respond.json(await call.engine.port_reasons.why(_port(call)))


async def add(call: Call) -> StreamResponse:
    body = await call.body(PortsAdded)
    return respond.json(await call.engine.publish.add(call.name(), body.port_bindings or {}))


async def remove(call: Call) -> StreamResponse:
    return respond.json(await call.engine.publish.remove(call.name(), _port(call)))


def _port(call: Call) -> str:
    proto = call.text("protocol")
    return f"{call.names['port']}{'/' if proto else ''}{proto}"
