"""The layer store: what it does around unpacking. Unpacking itself is tested with root, in tests/system."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from havre.errors import InvalidParameter
from havre.image.digest import DigestMismatch, chain_ids
from havre.image.manifest import OCI_LAYER, Descriptor
from havre.kernel.unpack import Limits, Unpacked
from tests.unit.image.conftest import Room, digest, fake_unpack, tar

FIRST = tar({"a": b"1", "d/b": b"22"})
SECOND = tar({"c": b"333"})


async def stored(room: Room, data: bytes) -> Descriptor:
    return Descriptor(media_type=OCI_LAYER, digest=await room.blobs.add(data), size=len(data))


class Slow:
    """An unpacker that waits to be let go."""

    def __init__(self) -> None:
        self.started = 0
        self.cancelled = 0
        self.go = asyncio.Event()

    async def __call__(
        self, blob: BinaryIO, target: Path, below: Sequence[Path], limits: Limits, progress: Callable[[int], None]
    ) -> Unpacked:
        self.started += 1
        progress(1)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return await fake_unpack(blob, target, below, limits, progress)


async def test_a_stack(room: Room) -> None:
    heard: list[int] = []
    base = await room.layers.ensure(None, digest(FIRST), await stored(room, FIRST), heard.append)
    top = await room.layers.ensure(base, digest(SECOND), await stored(room, SECOND))
    assert [base, top] == chain_ids([digest(FIRST), digest(SECOND)])
    assert heard == [len(FIRST)]
    assert room.layers.exists(top) and room.layers.usage(base).size == 3
    assert (room.snapshotter.upper(base) / "d/b").read_bytes() == b"22"
    assert room.snapshotter.all()[top].parent == base


async def test_what_is_there_is_not_unpacked_again(room: Room) -> None:
    blob = await stored(room, FIRST)
    await room.layers.ensure(None, digest(FIRST), blob)
    room.unpack = Slow()
    await room.layers.ensure(None, digest(FIRST), blob)
    assert room.unpack.started == 0


async def test_two_requests_share_the_work(room: Room) -> None:
    slow = room.unpack = Slow()
    blob = await stored(room, FIRST)
    heard: list[int] = []
    both = [asyncio.create_task(room.layers.ensure(None, digest(FIRST), blob, heard.append)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    slow.go.set()
    assert await asyncio.gather(*both) == [digest(FIRST)] * 2
    assert slow.started == 1


async def test_one_of_two_may_go(room: Room) -> None:
    slow = room.unpack = Slow()
    blob = await stored(room, FIRST)
    stays, goes = [asyncio.create_task(room.layers.ensure(None, digest(FIRST), blob)) for _ in range(2)]
    await asyncio.sleep(0.01)
    goes.cancel()
    await asyncio.wait([goes])
    slow.go.set()
    assert await stays == digest(FIRST)
    assert slow.cancelled == 0


async def test_the_last_one_stops_the_work(room: Room) -> None:
    slow = room.unpack = Slow()
    task = asyncio.create_task(room.layers.ensure(None, digest(FIRST), await stored(room, FIRST)))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() and slow.cancelled == 1
    assert not room.snapshotter.all()
    room.unpack = fake_unpack
    await room.layers.ensure(None, digest(FIRST), await stored(room, FIRST))


async def test_content_that_is_not_what_the_image_says(room: Room) -> None:
    with pytest.raises(DigestMismatch):
        await room.layers.ensure(None, digest(SECOND), await stored(room, FIRST))
    assert not room.snapshotter.all()


async def test_a_failure_reaches_all_who_wait_and_leaves_nothing(room: Room) -> None:
    async def failing(*_: object) -> Unpacked:
        await asyncio.sleep(0.01)
        raise InvalidParameter("hostile")

    room.unpack = failing  # type: ignore[assignment]
    blob = await stored(room, FIRST)
    outcomes = await asyncio.gather(
        *(room.layers.ensure(None, digest(FIRST), blob) for _ in range(2)), return_exceptions=True
    )
    assert [str(outcome) for outcome in outcomes] == ["hostile"] * 2
    assert not room.snapshotter.all()


async def test_what_a_killed_daemon_left_is_removed(room: Room) -> None:
    await room.snapshotter.prepare("unpack-abc", None)
    await room.snapshotter.prepare("f" * 64, None)
    await room.restart()
    assert list(room.snapshotter.all()) == ["f" * 64]
