"""The engine itself: ping, version, info, events, disk usage, login."""

from contextlib import aclosing

import msgspec
from aiohttp.web_response import Response, StreamResponse

from havre.api import answers, respond
from havre.api.call import Call
from havre.errors import InvalidParameter
from havre.image.remote.auth import auth_from_json

_JSON_SEQUENCE = "application/json-seq"
_EVENT_TYPES = ("application/jsonl", "application/x-ndjson", _JSON_SEQUENCE)
_DISK_USAGE = ("container", "image", "volume", "build-cache")


async def ping(call: Call) -> StreamResponse:
    headers = {
        "Builder-Version": "1",
        "Cache-Control": "no-cache, no-store, must-revalidate",
        "Pragma": "no-cache",
        "Swarm": "inactive",
    }
    if call.request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": "0"}, content_type="text/plain", charset="utf-8")
    return Response(body=b"OK", headers=headers, content_type="text/plain", charset="utf-8")


async def options(call: Call) -> StreamResponse:
    return respond.empty(200)


async def fsck(call: Call) -> StreamResponse:
    """havre's own: what is on disk, checked, and with ``repair`` put right."""
    return await respond.messages(call, call.engine.fsck.run(call.flag("repair")))


async def version(call: Call) -> StreamResponse:
    return respond.json(await call.engine.system.version())


async def info(call: Call) -> StreamResponse:
    return respond.json(answers.info(call.version, await call.engine.system.info()))


async def events(call: Call) -> StreamResponse:
    # Unlike for logs, 0 is a time here: the beginning.
    since, until = 0 if call.text("since") == "0" else call.moment("since"), call.moment("until")
    if since is not None and until is not None and until < since:
        raise InvalidParameter(
            f"`since` time ({call.text('since')}) cannot be after `until` time ({call.text('until')})"
        )
    content_type = _event_type(call)
    start = b"\x1e" if content_type == _JSON_SEQUENCE else b""
    encode = msgspec.json.Encoder().encode
    async with aclosing(call.engine.events.stream(since, until, call.filters())) as stream:
        response = await respond.begin(call, content_type)
        async for event in stream:
            if (told := answers.event(call.version, event)) is not None:
                await response.write(start + encode(told) + b"\n")
        await response.write_eof()
        return response


def _event_type(call: Call) -> str:
    """How to write events: the type the client would rather have, of those there are; else as ever."""
    wanted: list[tuple[float, str]] = []
    for part in call.request.headers.get("Accept", "").split(","):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        if name in _EVENT_TYPES:
            wanted.append((_quality(parameters), name))
    quality, best = max(wanted, key=lambda one: one[0], default=(0.0, ""))
    return best if quality > 0 else respond.JSON


def _quality(parameters: list[str]) -> float:
    try:
        return float(next((word[2:] for word in parameters if word.startswith("q=")), "1"))
    except ValueError:
        return 0.0


async def disk_usage(call: Call) -> StreamResponse:
    types = [] if call.before(1, 42) else call.texts("type")
    for type in types:
        if type not in _DISK_USAGE:
            raise InvalidParameter(f"unknown object type: {type}")
    usage = await call.engine.system.disk_usage(frozenset(types or _DISK_USAGE))
    verbose = not call.before(1, 52) and call.flag("verbose")
    return respond.json(answers.disk_usage(call.version, usage, verbose))


async def auth(call: Call) -> StreamResponse:
    document = await call.document()
    try:
        credentials = auth_from_json(msgspec.json.encode(document or {}))
    except ValueError as error:
        raise InvalidParameter(str(error)) from None
    return respond.json(await call.engine.system.login(credentials))
