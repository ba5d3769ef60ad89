"""The event stream: history, filters, ends."""

import asyncio
import time
from typing import Any

import pytest

from havre.engine import events as module
from havre.engine.events import Events
from havre.errors import InvalidParameter
from havre.wire.filters import Filters


def said(events: Events, filters: dict[str, list[str]], *published: tuple[str, str, str, dict[str, str]]) -> list[str]:
    """The actions a listener with ``filters`` hears of what is ``published``."""
    stream = events.stream(None, None, Filters(filters))
    for type, action, actor, attributes in published:
        events.publish(type, action, actor, attributes)
    return [event["Action"] for event in stream._waiting]


async def test_shape() -> None:
    events = Events()
    stream = events.stream(None, None, Filters())
    before = time.time_ns()
    events.publish("container", "start", "c" * 64, {"image": "busybox:1", "name": "x"})
    event = await anext(stream)
    assert before <= event["timeNano"] <= time.time_ns() and event["time"] == event["timeNano"] // 10**9
    del event["time"], event["timeNano"]
    assert event == {
        "status": "start",
        "id": "c" * 64,
        "from": "busybox:1",
        "Type": "container",
        "Action": "start",
        "Actor": {"ID": "c" * 64, "Attributes": {"image": "busybox:1", "name": "x"}},
        "scope": "local",
    }
    events.publish("volume", "create", "v", {"driver": "local"})
    assert not {"status", "id", "from"} & set(await anext(stream))
    await stream.aclose()


async def test_a_stream_listens_from_its_making() -> None:
    events = Events()
    stream = events.stream(None, None, Filters())
    events.publish("image", "pull", "a")
    assert (await anext(stream))["Action"] == "pull"


async def test_waiting_for_the_next() -> None:
    events = Events()
    stream = events.stream(None, None, Filters())
    asyncio.get_running_loop().call_later(0.01, events.publish, "image", "pull", "a")
    assert (await anext(stream))["Action"] == "pull"


async def test_history() -> None:
    events = Events()
    events.publish("image", "pull", "a")
    first = events._recent[-1]["timeNano"]
    events.publish("image", "tag", "a")
    last = events._recent[-1]["timeNano"]
    for since, until, actions in (
        (None, None, []),
        (first, None, ["pull", "tag"]),
        (first + 1, None, ["tag"]),
        (None, last, ["pull", "tag"]),
        (first, last - 1, ["pull"]),
    ):
        assert [event["Action"] for event in events.stream(since, until, Filters())._waiting] == actions


async def test_history_is_bounded() -> None:
    events = Events()
    for number in range(300):
        events.publish("image", "pull", str(number))
    kept = [event["Actor"]["ID"] for event in events.stream(1, None, Filters())._waiting]
    assert kept == [str(number) for number in range(300 - 256, 300)]


async def test_until_ends_the_stream() -> None:
    events = Events()
    assert [event async for event in events.stream(None, time.time_ns() - 1, Filters())] == []
    soon = events.stream(None, time.time_ns() + 50_000_000, Filters())
    events.publish("image", "pull", "a")
    assert [event["Action"] async for event in soon] == ["pull"]
    assert events.listeners == 0


async def test_closing_ends_the_stream() -> None:
    events = Events()
    stream = events.stream(None, None, Filters())
    waiting = asyncio.ensure_future(anext(stream, None))
    await asyncio.sleep(0)
    await stream.aclose()
    assert await waiting is None
    assert events.listeners == 0
    events.publish("image", "pull", "a")


async def test_a_listener_that_falls_behind_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_BACKLOG", 3)
    events = Events()
    slow, quick = events.stream(None, None, Filters()), events.stream(None, None, Filters({"event": ["never"]}))
    for number in range(5):
        events.publish("image", str(number), "a")
    assert [event["Action"] async for event in slow] == ["0", "1", "2"]
    assert events.listeners == 1
    await quick.aclose()


CONTAINER: dict[str, str] = {"image": "localhost:5000/busybox:1", "name": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("filters", "heard"),
    [
        ({}, True),
        ({"type": ["container"]}, True),
        ({"type": ["image", "volume"]}, False),
        ({"event": ["start"]}, True),
        ({"event": ["star"]}, False),
        ({"event": ["die", "start"]}, True),
        ({"container": ["abc"]}, True),
        ({"container": ["we"]}, True),
        ({"container": ["db"]}, False),
        ({"image": ["localhost:5000/busybox:1"]}, True),
        ({"image": ["localhost:5000/busybox"]}, True),
        ({"image": ["busybox"]}, False),
        ({"label": ["tier"]}, True),
        ({"label": ["tier=front"]}, True),
        ({"label": ["tier=back"]}, False),
        ({"scope": ["local"]}, True),
        ({"scope": ["swarm"]}, False),
        ({"type": ["container"], "event": ["stop"]}, False),
    ],
)
async def test_filters(filters: dict[str, list[str]], heard: bool) -> None:
    got = said(Events(), filters, ("container", "start", "abc" + "0" * 61, CONTAINER))
    assert got == (["start"] if heard else [])


async def test_actions_with_arguments() -> None:
    published: Any = [
        ("container", "exec_create: true", "c", {}),
        ("container", "exec_die", "c", {}),
        ("container", "health_status: healthy", "c", {}),
    ]
    assert said(Events(), {"event": ["exec_create"]}, *published) == ["exec_create: true"]
    assert said(Events(), {"event": ["health_status"]}, *published) == ["health_status: healthy"]
    assert said(Events(), {"event": ["health_status: healthy"]}, *published) == ["health_status: healthy"]


async def test_images_by_name_and_id() -> None:
    published: Any = [("image", "tag", "sha256:00", {"name": "busybox:1"})]
    for wanted in ("busybox", "busybox:1", "sha256:00"):
        assert said(Events(), {"image": [wanted]}, *published) == ["tag"]
    assert said(Events(), {"image": ["alpine"]}, *published) == []


async def test_unknown_filters() -> None:
    with pytest.raises(InvalidParameter, match="invalid filter 'nonsense'"):
        Events().stream(None, None, Filters({"nonsense": ["x"]}))
