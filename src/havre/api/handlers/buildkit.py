"""BuildKit's own protocol: two connections of a client that leave HTTP/1."""

from aiohttp.web_response import StreamResponse

from havre.api.call import Call
from havre.api.hijack import upgrade
from havre.errors import InvalidParameter

_PROTOCOL = "h2c"


async def control(call: Call) -> StreamResponse:
    """The client calls the daemon."""
    _check(call)
    return await upgrade(call, _PROTOCOL, call.builds.buildkit.control)


async def session(call: Call) -> StreamResponse:
    """The daemon calls the client."""
    _check(call)
    headers = call.request.headers
    if not headers.get("X-Docker-Expose-Session-Uuid"):
        raise InvalidParameter("a session needs the header X-Docker-Expose-Session-Uuid")
    return await upgrade(call, _PROTOCOL, lambda wire: call.builds.buildkit.session(headers, wire))


def _check(call: Call) -> None:
    asked = call.request.headers.get("Upgrade", "")
    if asked.lower() != _PROTOCOL:
        raise InvalidParameter(f"protocol {asked} not supported" if asked else "no upgrade proto in request")
