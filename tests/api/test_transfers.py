"""What is carried in and out: pull, import, load, save, archives, and clients that leave in the middle of it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from havre.errors import Forbidden, NotFound, SystemFault, Unauthorized, Unavailable
from tests.api.talk import Client, Wire
from tests.fakes.engine import Endless, FakeEngine


async def test_pull(client: Client, engine: FakeEngine) -> None:
    engine.answer("images.pull", [{"status": "Pulling from library/busybox", "id": "latest"}, {"status": "done"}])
    auth = base64.urlsafe_b64encode(b'{"username":"u","password":"p"}').decode()
    answer = await client.call(
        "POST",
        "/images/create",
        headers={"X-Registry-Auth": auth},
        fromImage="busybox",
        tag="latest",
        platform="linux/arm64",
    )
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body == b'{"status":"Pulling from library/busybox","id":"latest"}\r\n{"status":"done"}\r\n'
    arguments = list(engine.asked("images.pull")[0].values())
    assert arguments[:3] == ["busybox", "latest", "linux/arm64"]
    assert arguments[3].username == "u" and arguments[4] is False


@pytest.mark.parametrize(
    ("image", "tag", "ref", "all_tags"),
    [
        ("busybox", "", "busybox", True),
        ("busybox:", "", "busybox", True),
        ("localhost:5000/busybox", "", "localhost:5000/busybox", True),
        ("localhost:5000/busybox:1", "", "localhost:5000/busybox:1", False),
        ("busybox@sha256:00", "", "busybox@sha256:00", False),
        ("busybox", "sha256:00", "busybox", False),
    ],
)
async def test_pull_of_all_tags(
    client: Client, engine: FakeEngine, image: str, tag: str, ref: str, all_tags: bool
) -> None:
    engine.answer("images.pull", [])
    await client.post("/images/create", fromImage=image, tag=tag)
    arguments = list(engine.asked("images.pull")[0].values())
    assert (arguments[0], arguments[1], arguments[4]) == (ref, tag, all_tags)


async def test_an_error_before_the_first_message_is_an_http_error(client: Client, engine: FakeEngine) -> None:
    engine.answer("images.pull", [Unauthorized("log in first")])
    answer = await client.post("/images/create", fromImage="busybox", tag="1")
    assert (answer.status, answer.message()) == (401, "log in first")


async def test_an_error_after_it_is_the_last_message(client: Client, engine: FakeEngine) -> None:
    engine.answer("images.pull", [{"status": "x"}, Unavailable("connection reset")])
    answer = await client.post("/images/create", fromImage="busybox", tag="1")
    assert answer.status == 200
    assert json.loads(answer.body.splitlines()[-1]) == {
        "errorDetail": {"message": "connection reset"},
        "error": "connection reset",
    }


async def test_a_pull_ends_with_its_client(socket: Path, engine: FakeEngine) -> None:
    source = Endless({"status": "x"})
    engine.answer("images.pull", source.stream())
    wire = await Wire.open(socket)
    wire.request("POST", "/images/create?fromImage=busybox&tag=1")
    await wire.head()
    await wire.chunk()
    await wire.close()
    await asyncio.wait_for(source.closed.wait(), 10)


async def test_import(client: Client, engine: FakeEngine) -> None:
    bodies = []

    async def take(body: AsyncIterator[bytes], **_: Any) -> AsyncIterator[dict[str, Any]]:
        bodies.append(b"".join([chunk async for chunk in body]))
        yield {"status": "sha256:0"}

    engine.answer("images.import_", take)
    answer = await client.call(
        "POST", "/images/create", body=b"tar" * 1000, fromSrc="-", repo="a", tag="b", changes=["CMD x", "ENV a=b"]
    )
    assert answer.body == b'{"status":"sha256:0"}\r\n'
    arguments = engine.asked("images.import_")[0]
    assert bodies == [b"tar" * 1000]
    assert (arguments["src"], arguments["repo"], arguments["tag"]) == ("-", "a", "b")
    assert (arguments["message"], arguments["changes"]) == ("Imported from -", ["CMD x", "ENV a=b"])


async def test_load_reads_the_body_as_it_comes(socket: Path, engine: FakeEngine) -> None:
    seen = asyncio.Event()

    async def load(chunks: AsyncIterator[bytes], quiet: bool, platforms: list[str]) -> AsyncIterator[dict[str, Any]]:
        total = 0
        async for chunk in chunks:
            total += len(chunk)
            seen.set()
        yield {"stream": f"{total} {quiet}"}

    engine.answer("images.load", load)
    wire = await Wire.open(socket)
    wire.request("POST", "/images/load?quiet=0", {"Transfer-Encoding": "chunked", "Content-Type": "application/x-tar"})
    wire.send(b"5\r\nhello\r\n")
    await asyncio.wait_for(seen.wait(), 10)
    wire.send(b"3\r\nyou\r\n0\r\n\r\n")
    answer = await wire.answer()
    assert answer.body == b'{"stream":"8 False"}\r\n'
    await wire.close()


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [("POST", "/images/load", "images.load"), ("PUT", "/containers/x/archive?path=/", "copy.put")],
)
async def test_an_upload_that_breaks_off_is_an_error_for_the_engine(
    socket: Path, engine: FakeEngine, caplog: pytest.LogCaptureFixture, method: str, path: str, verb: str
) -> None:
    """Half an archive must not look like a whole one."""
    begun, ended = asyncio.Event(), asyncio.Event()
    outcome: list[BaseException | None] = []

    async def take(body: AsyncIterator[bytes]) -> None:
        try:
            async for _ in body:
                begun.set()
            outcome.append(None)
        except BaseException as error:
            outcome.append(error)
            raise
        finally:
            ended.set()

    async def load(chunks: AsyncIterator[bytes], quiet: bool, platforms: list[str]) -> AsyncIterator[dict[str, Any]]:
        await take(chunks)
        yield {"stream": "done"}

    async def put(**arguments: Any) -> None:
        await take(next(value for value in arguments.values() if hasattr(value, "__aiter__")))

    engine.answer(verb, load if verb == "images.load" else put)
    wire = await Wire.open(socket)
    wire.request(method, path, {"Content-Length": "1000000"})
    wire.send(b"x" * 1000)
    await asyncio.wait_for(begun.wait(), 10)
    wire.writer.transport.abort()
    await asyncio.wait_for(ended.wait(), 10)
    assert isinstance(outcome[0], Exception)
    await asyncio.sleep(0.05)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


async def test_platforms_of_a_load(client: Client, engine: FakeEngine) -> None:
    engine.answer("images.load", [])
    both = [json.dumps({"os": "linux", "architecture": each}) for each in ("arm64", "amd64")]
    query = "&".join(f"platform={quote(each)}" for each in both)
    assert (await client.post(f"/v1.51/images/load?{query}")).status == 400
    assert (await client.post(f"/v1.52/images/load?{query}")).status == 200
    assert engine.asked("images.load")[0]["platforms"] == ["linux/arm64", "linux/amd64"]
    for value in ("nonsense", '{"os":"linux"}', "[]"):
        assert (await client.post("/images/load", platform=value)).status == 400


async def test_load_tells_its_errors_in_band(client: Client, engine: FakeEngine) -> None:
    engine.answer("images.load", [SystemFault("no tar")])
    answer = await client.call("POST", "/images/load", body=b"junk", headers={"Content-Type": "application/x-tar"})
    assert answer.status == 200
    assert json.loads(answer.body)["error"] == "no tar"


async def test_a_load_holds_its_client_back(socket: Path, engine: FakeEngine) -> None:
    go = asyncio.Event()

    async def load(chunks: AsyncIterator[bytes], quiet: bool, platforms: list[str]) -> AsyncIterator[dict[str, Any]]:
        await go.wait()
        total = 0
        async for chunk in chunks:
            total += len(chunk)
        yield {"stream": str(total)}

    engine.answer("images.load", load)
    wire = await Wire.open(socket)
    size = 50_000_000
    wire.request("POST", "/images/load", {"Content-Length": str(size)})
    wire.writer.transport.set_write_buffer_limits(65536)
    sent = 0

    async def send() -> None:
        nonlocal sent
        for _ in range(size // 100_000):
            wire.send(b"x" * 100_000)
            await wire.writer.drain()
            sent += 100_000

    sending = asyncio.create_task(send())
    before = -1
    while sent != before:
        before = sent
        await asyncio.sleep(0.2)
    assert sent < 5_000_000
    go.set()
    assert json.loads((await wire.answer()).body) == {"stream": str(size)}
    await sending
    await wire.close()


async def test_save(client: Client, engine: FakeEngine) -> None:
    engine.answer("images.save", [b"one", b"two"])
    answer = await client.get("/images/get?names=a&names=b")
    assert (answer.headers["content-type"], answer.body) == ("application/x-tar", b"onetwo")
    platform = json.dumps({"os": "linux", "architecture": "arm64", "variant": "v8"})
    await client.get("/images/a/b/get", platform=platform)
    asked = [(call["names"], call["platforms"]) for call in engine.asked("images.save")]
    assert asked == [(["a", "b"], []), (["a/b"], ["linux/arm64/v8"])]
    engine.answer("images.save", [NotFound("No such image: a")])
    assert (await client.get("/images/a/get")).status == 404


async def test_an_error_in_the_middle_cuts_the_answer_short(socket: Path, engine: FakeEngine) -> None:
    engine.answer("images.save", [b"one", SystemFault("disk gone")])
    wire = await Wire.open(socket)
    wire.request("GET", "/images/a/get")
    await wire.head()
    assert await wire.chunk() == b"one"
    assert await wire.rest() == b""


async def test_archive(client: Client, engine: FakeEngine) -> None:
    found = {"name": "etc", "size": 0, "mode": 0x800001ED, "mtime": "2025-01-01T00:00:00Z", "linkTarget": ""}

    async def tar() -> AsyncIterator[bytes]:
        yield b"tar"

    engine.answer("copy.stat", found)
    engine.answer("copy.get", (found, tar()))
    for method, body in (("HEAD", b""), ("GET", b"tar")):
        answer = await client.call(method, "/containers/x/archive?path=/etc")
        assert (answer.status, answer.body) == (200, body)
        assert json.loads(base64.b64decode(answer.headers["x-docker-container-path-stat"])) == found
    answer = await client.get("/containers/x/archive")
    assert (answer.status, answer.message()) == (400, "bad parameter: path cannot be empty")


async def test_put_archive(client: Client, engine: FakeEngine) -> None:
    bodies = []

    async def put(**arguments: Any) -> None:
        body = next(value for value in arguments.values() if hasattr(value, "__aiter__"))
        bodies.append(b"".join([chunk async for chunk in body]))

    engine.answer("copy.put", put)
    answer = await client.call(
        "PUT", "/containers/x/archive?path=/tmp&noOverwriteDirNonDir=1&copyUIDGID=true", body=b"tar" * 100_000
    )
    assert (answer.status, answer.body) == (200, b"")
    assert bodies == [b"tar" * 100_000]
    values = list(engine.asked("copy.put")[0].values())
    assert values[:2] == ["x", "/tmp"] and values[3:] == [True, True]


async def test_push(client: Client, engine: FakeEngine) -> None:
    engine.answer("images.push", [{"status": "one"}, Forbidden("denied: no")])
    platform = json.dumps({"os": "linux", "architecture": "arm64"})
    answer = await client.post("/v1.46/images/a/b/push", tag="1", platform=platform)
    messages = [json.loads(line) for line in answer.body.splitlines()]
    assert answer.status == 200 and [message.get("error") for message in messages] == [None, "denied: no"]
    await client.post("/v1.45/images/a/b/push", platform=platform)
    asked = [(call["ref"], call["tag"], call["platform"]) for call in engine.asked("images.push")]
    assert asked == [("a/b", "1", "linux/arm64"), ("a/b", "", None)]


async def test_distribution(client: Client, engine: FakeEngine) -> None:
    engine.answer("images.distribution", {"Platforms": []})
    header = {"X-Registry-Auth": base64.urlsafe_b64encode(b'{"username": "me", "password": "x"}').decode()}
    answer = await client.call("GET", "/distribution/a/b:1/json", headers=header)
    assert answer.json() == {"Platforms": []}
    (asked,) = engine.asked("images.distribution")
    assert (asked["ref"], asked["auth"].username) == ("a/b:1", "me")
    engine.fail("images.distribution", Unauthorized("authentication required"))
    assert (await client.get("/distribution/a/json")).status == 401
