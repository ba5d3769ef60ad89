"""Changes, export and commit: what the door makes of requests for them."""

from typing import Any

import pytest

from havre.errors import NotFound
from havre.lib.references import parse
from havre.wire.containers import ContainerConfig
from tests.api.talk import Client
from tests.fakes.engine import FakeEngine


async def test_changes(client: Client, engine: FakeEngine) -> None:
    engine.answer("changes.list", [{"Path": "/a", "Kind": 1}])
    assert (await client.get("/containers/x/changes")).json() == [{"Path": "/a", "Kind": 1}]
    engine.answer("changes.list", None)
    assert (await client.get("/containers/x/changes")).body == b"null\n"


async def test_export(client: Client, engine: FakeEngine) -> None:
    async def chunks() -> Any:
        yield b"one"
        yield b"two"

    engine.answer("export.export", lambda reference: chunks())
    answer = await client.get("/containers/x/export")
    assert (answer.status, answer.body) == (200, b"onetwo")
    assert answer.headers["content-type"] == "application/octet-stream"
    engine.fail("export.export", NotFound("No such container: x"))
    assert (await client.get("/containers/x/export")).status == 404


async def test_commit(client: Client, engine: FakeEngine) -> None:
    engine.answer("commits.commit", "sha256:1")
    query = "container=x&repo=app&tag=1&comment=c&author=a&pause=0&changes=CMD+a&changes=USER+b"
    answer = await client.post(f"/commit?{query}", {"User": "u"})
    assert (answer.status, answer.json()) == (201, {"Id": "sha256:1"})
    config = ContainerConfig(user="u")
    asked = ["x", parse("app:1"), config, ["CMD a", "USER b"], "a", "c", False]
    assert list(engine.calls[0][1].values()) == asked


@pytest.mark.parametrize("query", ["container=x", "container=x&pause=", "container=x&pause=1&repo="])
async def test_commit_by_default(client: Client, engine: FakeEngine, query: str) -> None:
    engine.answer("commits.commit", "sha256:1")
    assert (await client.post(f"/commit?{query}")).status == 201
    assert list(engine.calls[0][1].values()) == ["x", None, None, [], "", "", True]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", 'invalid name or ID supplied: ""'),
        ("container=x&repo=A", "invalid reference format: repository name (library/A) must be lowercase"),
        ("container=x&repo=a&tag=!", "invalid tag format"),
        (f"container=x&repo=a@sha256:{'0' * 64}", "cannot import digest reference"),
    ],
)
async def test_commit_refuses(client: Client, engine: FakeEngine, query: str, message: str) -> None:
    answer = await client.post(f"/commit?{query}")
    assert (answer.status, answer.message()) == (400, message)
    assert not engine.calls


@pytest.mark.parametrize("body", [[], "text", 0, {"Cmd": 1}, {"Labels": [1]}])
async def test_commit_refuses_malformed_bodies(client: Client, engine: FakeEngine, body: Any) -> None:
    assert (await client.post("/commit?container=x", body)).status == 400
    assert not engine.calls
