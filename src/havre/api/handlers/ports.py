"""havre's own endpoints for published ports. Below ``/havre``, where Docker has nothing."""

from aiohttp.web_response import StreamResponse

from havre.api import respond
from havre.api.call import Call


async def why(call: Call) -> StreamResponse:
    proto = call.text("protocol")
    return respond.json(await call.engine.port_reasons.why(f"{call.names['port']}{'/' if proto else ''}{proto}"))
