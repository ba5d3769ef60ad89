"""havre's own endpoints for builds, for what the classic one cannot carry (ADR 31). Below ``/havre``."""

import msgspec
from aiohttp.web_response import StreamResponse

from havre.api import decode, respond
from havre.api.call import Call
from havre.api.handlers.build import credentials
from havre.api.hijack import RawStream, hijack
from havre.builder.direct import Asked
from havre.builder.keptcontexts import Listed
from havre.errors import InvalidParameter

_LARGEST_LIST = 256 << 20


async def build(call: Call) -> StreamResponse:
    """A build as JSON, JSON lines as the answer."""
    asked = decode.fit(await call.document() or {}, Asked)
    return await respond.messages(call, call.builds.direct.build(asked, credentials(call)), in_band=True)


async def offer(call: Call) -> StreamResponse:
    """The files of a context, a JSON array each; the answer says which are wanted."""
    data = bytearray()
    async for chunk in call.chunks():
        data += chunk
        if len(data) > _LARGEST_LIST:
            raise InvalidParameter("the build context has too many files")
    try:
        files = msgspec.json.Decoder(Listed).decode_lines(data)
    except msgspec.DecodeError as error:
        raise InvalidParameter(f"the list of the build context is damaged: {error}") from None
    identity, wanted = await call.builds.direct.kept.offer(call.text("key"), files)
    return respond.json({"id": identity, "wanted": wanted})


async def fill(call: Call) -> StreamResponse:
    """The wanted files of a context, as an archive."""
    await call.builds.direct.kept.fill(call.name(), call.chunks())
    return respond.empty()


async def agent(call: Call) -> StreamResponse:
    """A connection that leads to the client's SSH agent, for the next command that wants it."""

    async def run(stream: RawStream) -> None:
        await call.builds.direct.agents.offer(call.name(), call.text("id"), stream)

    return await hijack(call, run, multiplexed=False)
