"""What goes on for as long as a container does: attach, logs, wait."""

import msgspec
from aiohttp.web_response import StreamResponse

from havre.api import respond
from havre.api.call import Call
from havre.api.hijack import MULTIPLEXED, RAW, hijack
from havre.api.websocket import serve_websocket
from havre.engine.options import AttachOptions, LogOptions
from havre.errors import InvalidParameter

_CONDITIONS = ("not-running", "next-exit", "removed")


async def attach(call: Call) -> StreamResponse:
    session = await call.engine.attach.prepare(call.name(), _attach_options(call, multiplex=True))
    return await hijack(call, session.run, multiplexed=not session.tty)


async def attach_websocket(call: Call) -> StreamResponse:
    """The same for browsers: unframed, and before API 1.42 always all three streams."""
    options = _attach_options(call, multiplex=False)
    if call.before(1, 42):
        options = AttachOptions(
            stdin=True,
            stdout=True,
            stderr=True,
            stream=options.stream,
            logs=options.logs,
            detach_keys=options.detach_keys,
            multiplex=False,
        )
    session = await call.engine.attach.prepare(call.name(), options)
    return await serve_websocket(call, session.run, binary=not call.before(1, 28))


async def logs(call: Call) -> StreamResponse:
    options = LogOptions(
        stdout=call.flag("stdout"),
        stderr=call.flag("stderr"),
        follow=call.flag("follow"),
        since_ns=call.moment("since"),
        until_ns=None if call.before(1, 35) else call.moment("until"),
        timestamps=call.flag("timestamps"),
        tail=_tail(call.text("tail")),
        details=call.flag("details"),
    )
    if not (options.stdout or options.stderr):
        raise InvalidParameter("Bad parameters: you must choose at least one stream")
    log = await call.engine.logs.open(call.name(), options)
    kind = RAW if log.tty or call.before(1, 42) else MULTIPLEXED
    return await respond.chunks(call, kind, log.chunks, wait_for_first=False)


async def wait(call: Call) -> StreamResponse:
    """The headers go out once the wait counts: a client that starts the container then misses nothing."""
    condition = "not-running"
    if not call.before(1, 30):
        condition = call.text("condition") or condition
        if condition not in _CONDITIONS:
            raise InvalidParameter(f'invalid condition: "{condition}"')
    waiter = call.engine.lifecycle.wait(call.name(), condition)
    try:
        response = None if call.before(1, 30) else await respond.begin(call, respond.JSON)
        status = await waiter.result()
    finally:
        waiter.cancel()
    answer = {"StatusCode": status.code}
    body = msgspec.json.encode(answer if status.error is None else {**answer, "Error": {"Message": status.error}})
    if condition == "removed" and call.before(1, 34) and status.error is not None:
        # Before API 1.34 a removal that failed could only be told by an answer without a body.
        body = b""
    if response is None:
        return respond.raw(body + b"\n", respond.JSON)
    await response.write(body + b"\n" if body else b"")
    await response.write_eof()
    return response


def _attach_options(call: Call, *, multiplex: bool) -> AttachOptions:
    return AttachOptions(
        stdin=call.flag("stdin"),
        stdout=call.flag("stdout"),
        stderr=call.flag("stderr"),
        stream=call.flag("stream"),
        logs=call.flag("logs"),
        detach_keys=call.text("detachKeys"),
        multiplex=multiplex,
    )


def _tail(text: str) -> int | None:
    """A count of lines; anything else, "all" among it, means all of them."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
