"""The events of the past: on disk, in order, bounded."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from havre.engine import eventhistory as module
from havre.engine.eventhistory import EventHistory
from havre.engine.events import Events
from havre.errors import SystemFault
from havre.store.db import Database
from havre.store.schema import ALL
from havre.wire.filters import Filters


def opened(root: Path) -> tuple[Database, EventHistory, Events]:
    database = Database.open(root / "db", ALL)
    history = EventHistory(database)
    return database, history, Events(history)


async def past(events: Events, since: int = 1, until: int | None = None, **filters: list[str]) -> list[str]:
    """The actions told to one who asks for those from ``since`` on."""
    stream = events.stream(since, until or time.time_ns(), Filters(filters))
    return [event["Action"] async for event in stream]


async def test_events_outlive_the_daemon(tmp_path: Path) -> None:
    database, history, events = opened(tmp_path)
    for number in range(5):
        events.publish("container", f"a{number}", "c", {"name": "x"})
    await history.close()
    database.close()
    database, history, events = opened(tmp_path)
    assert history.last_number() == 5
    events.publish("image", "b", "i")
    assert await past(events) == ["a0", "a1", "a2", "a3", "a4", "b"]
    assert await past(events, type=["image"]) == ["b"]
    await history.close()
    assert history.last_number() == 6
    database.close()


async def test_what_is_not_written_yet_is_told_too(tmp_path: Path) -> None:
    database, history, events = opened(tmp_path)
    wanted = [f"a{number}" for number in range(700)]
    for action in wanted[:300]:
        events.publish("container", action, "c")
    assert await past(events) == wanted[:300]
    await asyncio.sleep(0.3)
    assert not history._waiting and history.last_number() == 300
    for action in wanted[300:]:
        events.publish("container", action, "c")
    assert await past(events) == wanted
    await history.close()
    assert await past(events) == wanted
    database.close()


async def test_since_and_until(tmp_path: Path) -> None:
    database, history, events = opened(tmp_path)
    moments = []
    for number in range(400):
        events.publish("container", f"a{number}", "c")
        moments.append(events._recent[-1]["timeNano"])
    await history.close()
    assert await past(events, moments[10], moments[12]) == ["a10", "a11", "a12"]
    assert await past(events, moments[10] + 1, moments[12] - 1) == ["a11"]
    assert await past(events, moments[398]) == ["a398", "a399"]
    database.close()


async def test_what_happens_while_the_past_is_told_comes_after_it(tmp_path: Path) -> None:
    database, history, events = opened(tmp_path)
    events.publish("container", "before", "c")
    await history.close()
    database.close()
    database, history, events = opened(tmp_path)
    stream = events.stream(1, None, Filters())
    events.publish("container", "meanwhile", "c")
    assert [(await anext(stream))["Action"] for _ in range(2)] == ["before", "meanwhile"]
    await stream.aclose()
    await history.close()
    database.close()


async def test_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 300)
    monkeypatch.setattr(module, "_TRIM_EVERY", 10)
    database, history, events = opened(tmp_path)
    for number in range(1000):
        events.publish("container", f"a{number}", "c")
    await history.close()
    assert await past(events) == [f"a{number}" for number in range(700, 1000)]
    monkeypatch.setattr(module, "_OLDEST", 0)
    for _ in range(300):
        events.publish("container", "young", "c")
    await history.close()
    assert database.read_now(lambda db: db.execute("SELECT COUNT(*) FROM events").fetchone()[0]) <= 300
    database.close()


async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DELAY", 0.01)
    monkeypatch.setattr(module, "_DELAY_AFTER_FAILURE", 0.01)
    database, history, events = opened(tmp_path)
    write, failures = database.write, 0

    async def full(change: Any) -> Any:
        nonlocal failures
        failures += 1
        if failures < 4:
            raise SystemFault("cannot write to the database: database or disk is full")
        return await write(change)

    monkeypatch.setattr(database, "write", full)
    events.publish("container", "kept", "c")
    assert history._writing is not None
    await history._writing
    assert failures == 4 and history.last_number() == 1
    database.close()
