"""Broken-off downloads: kept within bounds, and never taken from under whoever carries one on."""

import os
from pathlib import Path

import pytest

from havre.image.blobs import BlobStore
from havre.image.digest import of
from havre.image.partials import PartialLimits
from havre.store.layout import Layout

ONE, TWO, THREE = (of(name.encode()) for name in ("one", "two", "three"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "data", tmp_path / "run")
    layout.prepare()
    return layout


async def break_off(blobs: BlobStore, digest: str, data: bytes) -> None:
    async with blobs.partial(digest) as partial:
        assert partial is not None
        partial.write(data)


def kept(layout: Layout) -> set[str]:
    return {path.name.replace("-", ":", 1) for path in layout.ingest.iterdir()}


def age(blobs: BlobStore, digest: str, seconds: float) -> None:
    path = blobs.partials.path(digest)
    changed = path.stat().st_mtime - seconds
    os.utime(path, (changed, changed))


async def test_the_oldest_go_when_they_are_too_much(layout: Layout) -> None:
    blobs = BlobStore(layout, PartialLimits(size=10, age=3600))
    await break_off(blobs, ONE, b"12345")
    age(blobs, ONE, 20)
    await break_off(blobs, TWO, b"12345")
    age(blobs, TWO, 10)
    assert kept(layout) == {ONE, TWO} and blobs.partials.size() == 10
    await break_off(blobs, THREE, b"1")
    assert kept(layout) == {TWO, THREE}


async def test_one_that_is_too_much_by_itself_goes_and_the_others_stay(layout: Layout) -> None:
    blobs = BlobStore(layout, PartialLimits(size=10, age=3600))
    await break_off(blobs, ONE, b"12345")
    await break_off(blobs, TWO, b"x" * 11)
    assert kept(layout) == {ONE}


async def test_what_nobody_came_back_for_goes_in_time(layout: Layout) -> None:
    blobs = BlobStore(layout, PartialLimits(age=3600))
    await break_off(blobs, ONE, b"1")
    age(blobs, ONE, 3601)
    blobs.partials.bound()
    assert kept(layout) == set()


async def test_nothing_is_taken_from_a_download_under_way(layout: Layout) -> None:
    blobs = BlobStore(layout, PartialLimits(size=1, age=0))
    async with blobs.partial(ONE) as partial:
        assert partial is not None
        partial.write(b"more than may be kept")
        blobs.partials.bound()
        assert blobs.partials.drop() == 0 and blobs.partials.size() == 0
        assert kept(layout) == {ONE}
    assert kept(layout) == set()


async def test_a_prune_takes_all_that_nobody_writes(layout: Layout) -> None:
    blobs = BlobStore(layout)
    await break_off(blobs, ONE, b"123")
    staged = blobs.stage()
    staged.write(b"staged")
    assert blobs.partials.drop() == 3
    assert [path.name for path in layout.ingest.iterdir()] == [staged.path.name]
