"""Webhooks, against a receiver that fails, is slow, is away, and comes back."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from havre.registry.reports.webhooks.delivery import Backoff, Endpoint, Webhooks
from havre.registry.reports.webhooks.envelope import MEDIA_TYPE, Happening, envelope, event
from havre.registry.reports.webhooks.journal import Journal
from havre.registry.reports.webhooks.queue import EventQueue


def push(number: int = 1, **more: Any) -> Happening:
    fields = {
        "action": "push",
        "kind": "manifest",
        "repository": "team/app",
        "time": number,
        "digest": f"sha256:{number:064x}",
        "size": 7,
    }
    return Happening(**{**fields, **more})  # type: ignore[arg-type]


class Receiver:
    """Answers with each of ``answers`` in turn, then 200."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.requests: list[tuple[Any, bytes]] = []
        self.url = ""
        self.changed = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append((request.headers, await request.read()))
        self.changed.set()
        status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else None)

    def events(self) -> list[dict[str, Any]]:
        return [entry for _headers, body in self.requests for entry in json.loads(body)["events"]]

    async def until(self, count: int) -> None:
        while len(self.requests) < count:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 20)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


class Pauses:
    """Sleeps no time, and remembers how long it should have."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await asyncio.sleep(0)


def webhooks(path: Path, *endpoints: Endpoint, sleep: Any = None, bound: int = 100) -> Webhooks:
    queue = EventQueue(path / "webhooks.db", bound)
    journal = Journal(path / "webhooks.journal")
    return Webhooks(
        endpoints, queue, journal, address="registry:5000", instance="i1", backoff=Backoff(), sleep=sleep or Pauses()
    )


async def lengths(queue: EventQueue) -> dict[str, int]:
    """How many events wait for each endpoint."""
    query = "SELECT endpoint, count(*) FROM waiting GROUP BY endpoint"
    return dict(await queue._db.read(lambda connection: [tuple(row) for row in connection.execute(query)]))


async def until_empty(hooks: Webhooks) -> None:
    while await lengths(hooks._queue) or hooks._unwritten:  # noqa: ASYNC110 -- nobody tells of this
        await asyncio.sleep(0.01)


def test_the_envelope_is_dockers() -> None:
    happening = push(
        tag="latest",
        media_type="application/vnd.oci.image.manifest.v1+json",
        actor="alice",
        host="r:5000",
        method="PUT",
        request_id="q1",
        address="10.0.0.9",
        user_agent="docker/28",
    )
    body = envelope([event(happening, "registry:5000", "i1")])
    (only,) = json.loads(body)["events"]
    assert len(only.pop("id")) == 36
    assert only == {
        "timestamp": "1970-01-01T00:00:00.000000001Z",
        "action": "push",
        "target": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": f"sha256:{1:064x}",
            "size": 7,
            "length": 7,
            "repository": "team/app",
            "tag": "latest",
            "url": f"http://r:5000/v2/team/app/manifests/sha256:{1:064x}",
        },
        "request": {"id": "q1", "addr": "10.0.0.9", "host": "r:5000", "method": "PUT", "useragent": "docker/28"},
        "actor": {"name": "alice"},
        "source": {"addr": "registry:5000", "instanceID": "i1"},
    }


async def test_what_is_told_arrives_signed(tmp_path: Path, receiver: Receiver) -> None:
    hooks = webhooks(tmp_path, Endpoint(receiver.url, secret="s3cret", headers={"Authorization": "Bearer x"}))
    await hooks.start()
    hooks.tell(push())
    hooks.tell(push(2, action="pull"))
    await receiver.until(1)
    await until_empty(hooks)
    await hooks.close()
    headers, body = receiver.requests[0]
    assert headers["Content-Type"] == MEDIA_TYPE
    assert headers["Authorization"] == "Bearer x"
    assert headers["X-Hub-Signature-256"] == "sha256=" + hmac.new(b"s3cret", body, "sha256").hexdigest()
    assert [entry["action"] for entry in receiver.events()] == ["push"], "pulls are told only where they are asked for"


async def test_a_receiver_that_fails_is_asked_again_ever_more_slowly(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = [500, 503, 302, 404, 429]
    pauses = Pauses()
    hooks = webhooks(tmp_path, Endpoint(receiver.url), sleep=pauses)
    await hooks.start()
    hooks.tell(push())
    await receiver.until(6)
    await until_empty(hooks)
    await hooks.close()
    assert len({body for _headers, body in receiver.requests}) == 1, "the same event, with the same id"
    assert all(2**i <= pause <= 2**i * 1.25 for i, pause in enumerate(pauses.asked)) and len(pauses.asked) == 5
    assert Backoff().seconds(10_000) <= 375


async def test_what_is_queued_survives_a_restart_and_order_is_kept(tmp_path: Path, receiver: Receiver) -> None:
    never = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        await never.wait()

    receiver.answers = [500]
    hooks = webhooks(tmp_path, Endpoint(receiver.url), sleep=sleep)
    await hooks.start()
    hooks.tell(push(0))
    await receiver.until(1)
    for number in range(1, 40):
        hooks.tell(push(number))
    await hooks.close()
    receiver.requests.clear()

    again = webhooks(tmp_path, Endpoint(receiver.url))
    await again.start()
    await receiver.until(1)
    await until_empty(again)
    await again.close()
    assert [entry["target"]["digest"] for entry in receiver.events()] == [push(number).digest for number in range(40)]


async def test_a_queue_is_bounded_and_the_newest_stay(tmp_path: Path) -> None:
    queue = EventQueue(tmp_path / "q.db", bound=3)
    assert await queue.put([("a", b"%d" % number) for number in range(5)] + [("b", b"x")]) == 2
    assert [body for _number, body in await queue.first("a", 9)] == [b"2", b"3", b"4"]
    assert await queue.put([("a", b"5")]) == 1
    assert await lengths(queue) == {"a": 3, "b": 1}
    await queue.keep_only(["b"])
    assert await lengths(queue) == {"b": 1}
    queue.close()


async def test_one_that_is_away_holds_up_no_other(tmp_path: Path, receiver: Receiver) -> None:
    hooks = webhooks(tmp_path, Endpoint("http://127.0.0.1:1/"), Endpoint(receiver.url), sleep=asyncio.sleep)
    await hooks.start()
    for number in range(3):
        hooks.tell(push(number))
    while len(receiver.events()) < 3:
        await receiver.until(len(receiver.requests) + 1)
    await hooks.close()


async def test_what_was_told_right_before_a_crash_is_in_the_journal(tmp_path: Path, receiver: Receiver) -> None:
    crashed = webhooks(tmp_path, Endpoint(receiver.url))
    for number in range(3):
        crashed.tell(push(number))
    with (tmp_path / "webhooks.journal").open("ab") as journal:
        journal.write(b'["http://cut-of')
    again = webhooks(tmp_path, Endpoint(receiver.url))
    await again.start()
    await receiver.until(1)
    await until_empty(again)
    await again.close()
    assert [entry["target"]["digest"] for entry in receiver.events()] == [push(number).digest for number in range(3)]
    assert (tmp_path / "webhooks.journal").stat().st_size == 0
