"""A plugin spoken with, over a unix socket and over TLS; and the drivers that are made of plugins."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from havre.errors import NotFound, SystemFault, Unavailable
from havre.volume.plugins import PluginSettings
from havre.volume.plugins.client import Client
from havre.volume.plugins.discovery import Address, Tls
from havre.volume.plugins.drivers import PluginDrivers
from tests.api.test_tls import make_key

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts a server that answers everything by a handler: on a socket, or with TLS on a port; its address."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler, name: str = "one", keys: Path | None = None) -> str:
        app = web.Application()
        app.router.add_post("/{method}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        if keys is None:
            await web.UnixSite(runner, str(tmp_path / f"{name}.sock")).start()
            return f"unix://{tmp_path}/{name}.sock"
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(keys / "ours.pem", keys / "ours.key")
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        return f"tcp://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


def says(status: int, content: bytes) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=content)

    return handler


async def test_what_is_sent(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        kind = request.headers["Content-Type"]
        return web.json_response({"Told": await request.json(), "Kind": kind, "Path": request.path})

    client = Client(Address("one", await serve(handler)))
    told = await client.call("VolumeDriver.Get", {"Name": "x"}, 5)
    kind = "application/vnd.docker.plugins.v1.2+json"
    assert told == {"Told": {"Name": "x"}, "Kind": kind, "Path": "/VolumeDriver.Get"}


@pytest.mark.parametrize(
    ("status", "content", "kind", "text"),
    [
        (200, b'{"Err":"no"}', SystemFault, "^no$"),
        (500, b'{"Err":"no"}', SystemFault, "^X.Y: no$"),
        (500, b"plain", SystemFault, "^X.Y: plain$"),
        (404, b"plain", NotFound, "^X.Y: plain$"),
        (200, b"[]", SystemFault, "no JSON object"),
        (200, b"\xff\xfe", SystemFault, "no JSON object"),
        (200, b"[" * 100_000, SystemFault, "no JSON object"),
        (500, b'{"Err":"%s"}' % (b"x" * 100_000), SystemFault, "^X.Y: x{1000}$"),
        (200, b"x" * (9 << 20), SystemFault, "without end"),
        (302, b"", SystemFault, "^X.Y: $"),
    ],
)
async def test_refusals(serve: Serve, status: int, content: bytes, kind: type[Exception], text: str) -> None:
    client = Client(Address("one", await serve(says(status, content))))
    with pytest.raises(kind, match=text):
        await client.call("X.Y", {}, 5)


async def test_an_empty_answer(serve: Serve) -> None:
    assert await Client(Address("one", await serve(says(200, b"")))).call("X.Y", {}, 5) == {}


async def test_nobody_there(tmp_path: Path) -> None:
    text = 'Post "http://plugin.moby.localhost/X.Y": dial unix .*/none.sock: connect: no such file or directory'
    with pytest.raises(Unavailable, match=text):
        await Client(Address("none", f"unix://{tmp_path}/none.sock")).call("X.Y", {}, 5)


async def test_a_silent_one(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    with pytest.raises(Unavailable, match="context deadline exceeded"):
        await Client(Address("one", await serve(handler))).call("X.Y", {}, 0.1)


async def test_tls(serve: Serve, tmp_path: Path) -> None:
    make_key(tmp_path, "ours")
    make_key(tmp_path, "other")
    address = await serve(says(200, b'{"a":1}'), keys=tmp_path)
    for tls in (Tls(), Tls(insecure_skip_verify=True, ca_file=str(tmp_path / "other.pem"))):
        assert await Client(Address("one", address, tls)).call("X.Y", {}, 5) == {"a": 1}
    with pytest.raises(Unavailable):
        await Client(Address("one", address, Tls(ca_file=str(tmp_path / "other.pem")))).call("X.Y", {}, 5)
    with pytest.raises(SystemFault, match="TLS files"):
        await Client(Address("one", address, Tls(ca_file="/nowhere"))).call("X.Y", {}, 5)


async def test_activation(serve: Serve, tmp_path: Path) -> None:
    answers: dict[str, Any] = {"Plugin.Activate": {"Implements": ["LogDriver"]}}

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=json.dumps(answers.get(request.path[1:], {})).encode())

    await serve(handler)
    drivers = PluginDrivers(PluginSettings(tmp_path, (), 0, 5, 5, 5))
    with pytest.raises(NotFound, match="does not implement"):
        await drivers.get("one")
    assert await drivers.all() == [] and drivers.loaded() == []
    answers["Plugin.Activate"] = {"Implements": ["VolumeDriver"]}
    assert (await drivers.get("one")).scope == "local"
    assert drivers.loaded() == ["one"]
    for told, scope in (("global", "global"), ("LOCAL", "local"), ("odd", "local"), (7, "local")):
        answers["VolumeDriver.Capabilities"] = {"Capabilities": {"Scope": told}}
        again = PluginDrivers(PluginSettings(tmp_path, (), 0, 5, 5, 5))
        assert (await again.get("one")).scope == scope
    answers["VolumeDriver.List"] = {"Volumes": [{"Name": "a", "Mountpoint": "/a"}, {"Name": ""}, 7, None]}
    assert [volume.name for volume in await (await drivers.get("one")).list()] == ["a"]
    with pytest.raises(NotFound):
        await drivers.get("two")
