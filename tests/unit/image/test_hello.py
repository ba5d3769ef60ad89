"""The embedded image."""

from pathlib import Path

import pytest

from havre.errors import Unavailable
from havre.image import hello
from havre.image.hello import Hello
from tests.unit.image.conftest import Room

try:
    PROGRAM: Path | None = hello.busybox()
except Unavailable:
    PROGRAM = None

needs_busybox = pytest.mark.skipif(PROGRAM is None, reason="this host has no static busybox")


@needs_busybox
async def test_made_once_and_always_the_same(room: Room) -> None:
    embedded = Hello(room.images, room.importer)
    image = await embedded.ensure()
    assert image.repo_tags == ("havre/hello:latest",)
    assert image.config.cmd == ("/hello",)
    assert await embedded.ensure() == image
    await room.images.delete(image.id)
    assert (await embedded.ensure()).id == image.id
    root = room.snapshotter.upper(image.chain_id or "")
    assert (root / "hello").read_text().startswith("#!/bin/sh\n")
    assert PROGRAM is not None and (root / "bin/busybox").read_bytes() == PROGRAM.read_bytes()


@needs_busybox
async def test_asked_for_twice_at_once(room: Room) -> None:
    import asyncio

    embedded = Hello(room.images, room.importer)
    one, two = await asyncio.gather(embedded.ensure(), embedded.ensure())
    assert one == two and len(room.images.all()) == 1


def test_static_programs(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert not hello.is_static(tmp_path / "script")
    assert not hello.is_static(Path("/bin/sh").resolve())
    if PROGRAM is not None:
        assert hello.is_static(PROGRAM)


def test_no_busybox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hello, "is_static", lambda _: False)
    with pytest.raises(Unavailable, match="install busybox-static"):
        hello.busybox()
