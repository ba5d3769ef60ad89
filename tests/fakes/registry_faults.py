"""What a registry may do wrong: each function makes a fault, to be laid over requests with ``FakeRegistry.fail``."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from tests.fakes.registry import Answer, FakeRegistry, Fault, refusal


def status(code: int, **headers: str) -> Fault:
    """Answer with a bare status; ``Retry_After="1"`` becomes a header."""

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        return web.Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return fault


def refuse(code: int, error: str, message: str, **headers: str) -> Fault:
    """Answer with an error of the protocol."""

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        return refusal(code, error, message, {name.replace("_", "-"): value for name, value in headers.items()})

    return fault


def replace_body(change: Callable[[bytes], bytes], *, announced: int | None = None) -> Fault:
    """Answer with another body; ``announced`` is the Content-Length to claim, by default the true one."""

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        honest = await answer()
        assert isinstance(honest, web.Response) and isinstance(honest.body, bytes)
        body = change(honest.body)
        response = web.StreamResponse(status=honest.status, headers={"Content-Type": honest.content_type})
        response.content_length = len(body) if announced is None else announced
        await response.prepare(request)
        await response.write(body)
        return response

    return fault


def corrupt() -> Fault:
    """Send the right number of bytes, one of them wrong."""
    return replace_body(lambda body: body[:-1] + bytes([body[-1] ^ 1]))


def cut(after: int) -> Fault:
    """Reset the connection after ``after`` bytes of the body (0: instead of an answer)."""

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        honest = await answer()
        assert isinstance(honest, web.Response) and isinstance(honest.body, bytes) and request.transport is not None
        response = web.StreamResponse(status=honest.status, headers=honest.headers)
        if after:
            await response.prepare(request)
            await response.write(honest.body[:after])
            await asyncio.sleep(0.05)  # a reset overtakes what is still in the sender's buffer
        request.transport.abort()
        return response

    return fault


def break_off(after: int) -> Fault:
    """Announce the whole body, send ``after`` bytes of it, and reset the connection."""

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        honest = await answer()
        assert isinstance(honest, web.Response) and isinstance(honest.body, bytes) and request.transport is not None
        response = web.StreamResponse(status=honest.status, headers=honest.headers)
        response.content_length = len(honest.body)
        await response.prepare(request)
        await response.write(honest.body[:after])
        await asyncio.sleep(0.05)  # a reset overtakes what is still in the sender's buffer
        request.transport.abort()
        return response

    return fault


def end_early(after: int) -> Fault:
    """Send ``after`` bytes without a Content-Length and end cleanly: a proxy's idea of an upstream that broke off."""

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        honest = await answer()
        assert isinstance(honest, web.Response) and isinstance(honest.body, bytes)
        response = web.StreamResponse(status=honest.status)
        if "Content-Range" in honest.headers:
            response.headers["Content-Range"] = honest.headers["Content-Range"]
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(honest.body[:after])
        return response

    return fault


def ignore_range() -> Fault:
    """Send the whole blob to whoever asks for a part."""

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        whole = request.clone(headers={name: text for name, text in request.headers.items() if name != "Range"})
        registry: FakeRegistry = request.match_info.handler.__self__  # type: ignore[attr-defined]
        return await registry._answer(whole)

    return fault


def wrong_range(shift: int) -> Fault:
    """Send another part than was asked for, and say so."""

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        honest = await answer()
        assert isinstance(honest, web.Response) and isinstance(honest.body, bytes)
        unit, _, rest = honest.headers["Content-Range"].partition(" ")
        start, _, end = rest.partition("-")
        return web.Response(
            status=206, body=honest.body[shift:], headers={"Content-Range": f"{unit} {int(start) + shift}-{end}"}
        )

    return fault


def redirect(location: str, code: int = 307) -> Fault:
    """Send the client to ``location``, with the request's own path in place of ``{path}``."""

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        return web.Response(status=code, headers={"Location": location.replace("{path}", request.path)})

    return fault


def slow(piece: int, seconds: float) -> Fault:
    """Send ``piece`` bytes every ``seconds``."""

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        honest = await answer()
        assert isinstance(honest, web.Response) and isinstance(honest.body, bytes)
        response = web.StreamResponse(status=honest.status, headers=honest.headers)
        await response.prepare(request)
        for start in range(0, len(honest.body), piece):
            await response.write(honest.body[start : start + piece])
            await asyncio.sleep(seconds)
        return response

    return fault


def hold(release: asyncio.Event, after: int = 0, left: list[str] | None = None) -> Fault:
    """Send ``after`` bytes, then nothing until ``release`` is set, then the rest.

    The paths of those who hang up meanwhile are put into ``left``.
    """

    async def fault(request: web.Request, answer: Answer) -> web.StreamResponse:
        honest = await answer()
        assert isinstance(honest, web.Response) and isinstance(honest.body, bytes)
        response = web.StreamResponse(status=honest.status, headers=honest.headers)
        await response.prepare(request)
        await response.write(honest.body[:after])
        while not release.is_set():
            if request.transport is None or request.transport.is_closing():
                if left is not None:
                    left.append(request.path)
                return response
            await asyncio.sleep(0.01)
        await response.write(honest.body[after:])
        return response

    return fault
