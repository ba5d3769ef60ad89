"""havre's own endpoints for volumes."""

from typing import Any

import pytest

from tests.api.talk import Client
from tests.fakes.engine import FakeEngine


@pytest.mark.parametrize(
    ("method", "path", "verb", "arguments", "status"),
    [
        ("POST", "/havre/volumes/v/clone?to=w", "clone", ["v", "w", True], 201),
        ("POST", "/v1.51/havre/volumes/v/clone?to=w&pause=0", "clone", ["v", "w", False], 201),
        ("POST", "/havre/volumes/v/snapshots", "snapshot", ["v", "", True], 201),
        ("POST", "/havre/volumes/v/snapshots?name=s&pause=false", "snapshot", ["v", "s", False], 201),
        ("GET", "/havre/volumes/v/snapshots", "snapshots", ["v"], 200),
        ("POST", "/havre/volumes/v/snapshots/s/restore", "restore", ["v", "s"], 200),
    ],
)
async def test_verbs(
    client: Client, engine: FakeEngine, method: str, path: str, verb: str, arguments: list[Any], status: int
) -> None:
    engine.answer(f"volume_copies.{verb}", {"Name": "made"})
    answer = await client.call(method, path)
    assert (answer.status, answer.json()) == (status, {"Name": "made"})
    assert list(engine.asked(f"volume_copies.{verb}")[0].values()) == arguments


async def test_removal(client: Client, engine: FakeEngine) -> None:
    assert (await client.call("DELETE", "/havre/volumes/v/snapshots/s")).status == 204
    assert list(engine.asked("volume_copies.drop_snapshot")[0].values()) == ["v", "s"]


async def test_a_clone_needs_a_name(client: Client) -> None:
    assert (await client.post("/havre/volumes/v/clone")).status == 400
