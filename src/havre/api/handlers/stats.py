"""``GET /containers/{id}/stats``: a document a second, or one."""

from contextlib import aclosing

import msgspec
from aiohttp.web_response import StreamResponse

from havre.api import answers, respond
from havre.api.call import Call
from havre.errors import InvalidParameter


async def stats(call: Call) -> StreamResponse:
    stream = call.flag("stream", True)
    one_shot = not call.before(1, 41) and call.flag("one-shot")
    if stream and one_shot:
        await call.engine.listing.inspect(call.name(), False)
        raise InvalidParameter("cannot have stream=true and one-shot=true")
    if not stream:
        verb = call.engine.stats.now if one_shot else call.engine.stats.compared
        return respond.json(answers.stats(call.version, await verb(call.name())))
    async with aclosing(call.engine.stats.stream(call.name())) as documents:
        encode = msgspec.json.Encoder().encode
        response = await respond.begin(call, respond.JSON)
        async for document in documents:
            await response.write(encode(answers.stats(call.version, document)) + b"\n")
        await response.write_eof()
        return response
