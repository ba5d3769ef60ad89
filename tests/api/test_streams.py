"""Answers that go on for as long as a container or its client does: logs, events, waits."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from havre.daemon import listeners
from havre.daemon.config import Config
from havre.daemon.serve import ApiServer
from havre.engine.container.wait import ExitStatus
from tests.api.talk import Client, Wire
from tests.fakes.engine import Endless, FakeEngine


@dataclass
class Log:
    tty: bool
    chunks: AsyncIterator[bytes]


class Waiter:
    """A wait that ends when told."""

    def __init__(self) -> None:
        self.future: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        self.cancelled = False

    async def result(self) -> ExitStatus:
        return await self.future

    def cancel(self) -> None:
        self.cancelled = True


async def test_logs(socket: Path, engine: FakeEngine) -> None:
    source = Endless(b"one\n", b"two\n")
    engine.answer("logs.open", Log(False, source.stream()))
    wire = await Wire.open(socket)
    wire.request("GET", "/v1.51/containers/x/logs?stdout=1&follow=1&tail=10&since=1.5&until=7&timestamps=1&details=1")
    status, _, headers = await wire.head()
    assert (status, headers["content-type"]) == (200, "application/vnd.docker.multiplexed-stream")
    assert [await wire.chunk(), await wire.chunk()] == [b"one\n", b"two\n"]
    options = engine.asked("logs.open")[0]["options"]
    assert options.stdout and not options.stderr and options.follow and options.timestamps and options.details
    assert (options.tail, options.since_ns, options.until_ns) == (10, 1_500_000_000, 7_000_000_000)
    await wire.close()
    await asyncio.wait_for(source.closed.wait(), 10)


async def test_headers_of_logs_do_not_wait_for_the_first_line(socket: Path, engine: FakeEngine) -> None:
    engine.answer("logs.open", Log(True, Endless().stream()))
    wire = await Wire.open(socket)
    wire.request("GET", "/containers/x/logs?stdout=1&follow=1")
    status, _, headers = await wire.head()
    assert (status, headers["content-type"]) == (200, "application/vnd.docker.raw-stream")
    await wire.close()


@pytest.mark.parametrize("tail", ["all", "", "-1", "nonsense"])
async def test_any_other_tail_means_all(client: Client, engine: FakeEngine, tail: str) -> None:
    async def none() -> AsyncIterator[bytes]:
        for chunk in ():
            yield chunk

    engine.answer("logs.open", lambda **_: Log(False, none()))
    await client.get("/containers/x/logs", stdout=1, tail=tail)
    assert engine.asked("logs.open")[0]["options"].tail is None


async def test_logs_want_a_stream_and_real_times(client: Client) -> None:
    answer = await client.get("/containers/x/logs")
    assert (answer.status, answer.message()) == (400, "Bad parameters: you must choose at least one stream")
    answer = await client.get("/containers/x/logs?stdout=1&since=yesterday")
    assert answer.status == 400 and "since" in answer.message()


async def test_wait_sends_its_headers_at_once(socket: Path, engine: FakeEngine) -> None:
    waiter = Waiter()
    engine.answer("lifecycle.wait", waiter)
    wire = await Wire.open(socket)
    wire.request("POST", "/v1.51/containers/x/wait?condition=next-exit")
    status, _, headers = await wire.head()
    assert (status, headers["content-type"]) == (200, "application/json")
    assert engine.asked("lifecycle.wait") == [{"reference": "x", "condition": "next-exit"}]
    waiter.future.set_result(ExitStatus(7))
    assert json.loads(await wire.chunk()) == {"StatusCode": 7}
    assert await wire.chunk() == b""
    await wire.close()


async def test_wait_of_old_clients(client: Client, engine: FakeEngine) -> None:
    waiter = Waiter()
    waiter.future.set_result(ExitStatus(3))
    engine.answer("lifecycle.wait", waiter)
    answer = await client.post("/v1.29/containers/x/wait?condition=nonsense")
    assert answer.json() == {"StatusCode": 3}
    assert "transfer-encoding" not in answer.headers
    assert engine.asked("lifecycle.wait")[0]["condition"] == "not-running"


async def test_wait_tells_errors(client: Client, engine: FakeEngine) -> None:
    waiter = Waiter()
    waiter.future.set_result(ExitStatus(1, "removal failed"))
    engine.answer("lifecycle.wait", waiter)
    answer = await client.post("/containers/x/wait?condition=removed")
    assert answer.json() == {"StatusCode": 1, "Error": {"Message": "removal failed"}}
    answer = await client.post("/v1.33/containers/x/wait?condition=removed")
    assert answer.body == b""


async def test_wait_for_nonsense(client: Client) -> None:
    answer = await client.post("/containers/x/wait?condition=nonsense")
    assert (answer.status, answer.message()) == (400, 'invalid condition: "nonsense"')


async def test_a_wait_is_cancelled_with_its_client(socket: Path, engine: FakeEngine) -> None:
    waiter = Waiter()
    engine.answer("lifecycle.wait", waiter)
    wire = await Wire.open(socket)
    wire.request("POST", "/containers/x/wait")
    await wire.head()
    await wire.close()
    async with asyncio.timeout(10):
        while not waiter.cancelled:  # noqa: ASYNC110 (the door gives no event to wait for)
            await asyncio.sleep(0.01)


async def test_events(socket: Path, engine: FakeEngine) -> None:
    wire = await Wire.open(socket)
    wire.request("GET", "/v1.51/events?" + 'filters={"type":{"container":true}}')
    status, _, headers = await wire.head()
    assert (status, headers["content-type"]) == (200, "application/json")
    engine.events.publish("image", "pull", "busybox", {})
    engine.events.publish("container", "start", "c" * 64, {"image": "busybox", "name": "x"})
    line = await wire.chunk()
    event = json.loads(line)
    assert line.endswith(b"}\n")
    assert (event["Type"], event["Action"], event["Actor"]["ID"]) == ("container", "start", "c" * 64)
    assert (event["status"], event["id"], event["from"]) == ("start", "c" * 64, "busybox")
    assert engine.events.listeners == 1
    await wire.close()
    async with asyncio.timeout(10):
        while engine.events.listeners:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_streams_end_with_the_server(tmp_path: Path, engine: FakeEngine) -> None:
    """Not when the client leaves: a daemon that is told to end does not wait for that."""
    config = Config(hosts=(f"unix://{tmp_path}/s",), exec_root=tmp_path)
    server = ApiServer(engine, None, listeners.open_all(config))  # type: ignore[arg-type]
    await server.start()
    engine.answer("lifecycle.wait", Waiter())
    wires = []
    for method, path in (("GET", "/events"), ("POST", "/containers/x/wait")):
        wire = await Wire.open(tmp_path / "s")
        wire.request(method, path)
        await wire.head()
        wires.append(wire)
    await server.stop_accepting()
    async with asyncio.timeout(1.5):
        await server.close()
    for wire in wires:
        assert await wire.rest() == b""


@pytest.mark.parametrize(
    ("accept", "chosen", "start"),
    [
        ("", "application/json", b"{"),
        ("*/*", "application/json", b"{"),
        ("application/x-ndjson", "application/x-ndjson", b"{"),
        ("application/jsonl", "application/jsonl", b"{"),
        ("application/json-seq", "application/json-seq", b"\x1e{"),
        ("application/x-ndjson;q=0.5, application/json-seq;q=0.9", "application/json-seq", b"\x1e{"),
        ("application/json-seq;q=0, text/plain", "application/json", b"{"),
        ("application/json-seq;q=x", "application/json", b"{"),
    ],
)
async def test_the_type_of_events_is_the_client_s_choice(
    client: Client, engine: FakeEngine, accept: str, chosen: str, start: bytes
) -> None:
    engine.events.publish("container", "start", "c", {})
    past = f"/events?since=1&until={time.time() + 0.01:.6f}"
    answer = await client.call("GET", past, headers={"Accept": accept} if accept else {})
    assert answer.headers["content-type"] == chosen
    assert answer.body.startswith(start) and answer.body.endswith(b"}\n")
    assert b"status" not in answer.body


async def test_events_from_the_beginning(socket: Path, engine: FakeEngine) -> None:
    engine.events.publish("container", "start", "c", {})
    wire = await Wire.open(socket)
    wire.request("GET", "/events?since=0")
    await wire.head()
    assert json.loads(await asyncio.wait_for(wire.chunk(), 10))["Action"] == "start"
    await wire.close()


async def test_past_events_end_by_themselves(client: Client, engine: FakeEngine) -> None:
    engine.events.publish("container", "start", "c", {})
    engine.events.publish("image", "create", "i", {})
    now = engine.events._recent[-1]["timeNano"] // 1_000_000_000 + 1
    for version, actions in {"1.51": ["start", "create"], "1.45": ["start"]}.items():
        answer = await client.get(f"/v{version}/events?since=1&until={now}")
        assert [json.loads(line)["Action"] for line in answer.body.splitlines()] == actions
    answer = await client.get("/events?since=9&until=8")
    assert (answer.status, answer.message()) == (400, "`since` time (9) cannot be after `until` time (8)")
    answer = await client.get('/events?filters={"nonsense":["x"]}')
    assert (answer.status, answer.message()) == (400, "invalid filter 'nonsense'")


async def test_a_client_that_only_asks_gets_its_answer(socket: Path, engine: FakeEngine) -> None:
    """``printf … | nc -N`` closes its half right behind the request."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def inspect() -> dict[str, Any]:
        begun.set()
        await go.wait()
        return {"Id": "x"}

    engine.answer("listing.inspect", lambda **_: inspect())
    wire = await Wire.open(socket)
    wire.request("GET", "/containers/x/json")
    wire.writer.write_eof()
    await asyncio.wait_for(begun.wait(), 10)
    await asyncio.sleep(0.02)
    go.set()
    assert (await wire.answer()).json() == {"Id": "x"}
    assert await wire.rest() == b""


async def test_a_stream_ends_with_the_half_close_of_its_client(socket: Path, engine: FakeEngine) -> None:
    source = Endless(b"one\n")
    engine.answer("logs.open", Log(True, source.stream()))
    wire = await Wire.open(socket)
    wire.request("GET", "/containers/x/logs?stdout=1&follow=1")
    await wire.head()
    wire.writer.write_eof()
    await asyncio.wait_for(source.closed.wait(), 10)


async def test_a_change_does_not_end_with_its_client(socket: Path, engine: FakeEngine) -> None:
    begun, finished, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stop() -> None:
        begun.set()
        await go.wait()
        finished.set()

    engine.answer("lifecycle.stop", lambda **_: stop())
    wire = await Wire.open(socket)
    wire.request("POST", "/containers/x/stop")
    await asyncio.wait_for(begun.wait(), 10)
    await wire.close()
    await asyncio.sleep(0.05)
    go.set()
    await asyncio.wait_for(finished.wait(), 10)
