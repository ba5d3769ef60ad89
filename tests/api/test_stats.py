"""``GET /containers/{id}/stats``: what it asks the engine for, and how the documents come."""

import asyncio
from pathlib import Path

import pytest

from havre.errors import NotFound
from tests.api.talk import Client, Wire
from tests.fakes.engine import Endless, FakeEngine


@pytest.mark.parametrize(
    ("query", "verb"),
    [
        ("/containers/x/stats?stream=0", "stats.compared"),
        ("/containers/x/stats?stream=false&one-shot=false", "stats.compared"),
        ("/containers/x/stats?stream=false&one-shot=true", "stats.now"),
        ("/v1.41/containers/x/stats?stream=false&one-shot=true", "stats.now"),
        ("/v1.40/containers/x/stats?stream=false&one-shot=true", "stats.compared"),
    ],
)
async def test_one_document(client: Client, engine: FakeEngine, query: str, verb: str) -> None:
    engine.answer(verb, {"read": "now"})
    answer = await client.get(query)
    assert (answer.status, answer.headers["content-type"], answer.json()["read"]) == (200, "application/json", "now")
    assert engine.calls == [(verb, {"reference": "x"})]


@pytest.mark.parametrize("path", ["/v1.51/containers/x/stats", "/v1.40/containers/x/stats?stream=1&one-shot=1"])
async def test_a_stream_lasts_until_its_client_goes(socket: Path, engine: FakeEngine, path: str) -> None:
    source = Endless({"a": 1}, {"a": 2})
    engine.answer("stats.stream", source.stream())
    wire = await Wire.open(socket)
    wire.request("GET", path)
    assert (await wire.head())[0] == 200
    assert [await wire.chunk(), await wire.chunk()] == [b'{"a":1}\n', b'{"a":2}\n']
    await wire.close()
    await asyncio.wait_for(source.closed.wait(), 10)


async def test_a_stream_of_one_is_a_contradiction(client: Client, engine: FakeEngine) -> None:
    answer = await client.get("/containers/x/stats?one-shot=1")
    assert (answer.status, answer.message()) == (400, "cannot have stream=true and one-shot=true")
    engine.fail("listing.inspect", NotFound("No such container: x"))
    assert (await client.get("/containers/x/stats?one-shot=1")).status == 404


@pytest.mark.parametrize("stream", ["0", "1"])
async def test_unknown_containers(client: Client, engine: FakeEngine, stream: str) -> None:
    for verb in ("stats.compared", "stats.stream"):
        engine.fail(verb, NotFound("No such container: x"))
    answer = await client.get(f"/containers/x/stats?stream={stream}")
    assert (answer.status, answer.message()) == (404, "No such container: x")
