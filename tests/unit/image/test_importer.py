"""``docker import``."""

import bz2
import gzip
import lzma
from collections.abc import Callable

import pytest

from havre.errors import InvalidParameter
from havre.image.manifest import Platform
from havre.lib.references import parse
from tests.unit.image.conftest import Room, chunked, digest, tar

DATA = tar({"bin/sh": b"shell", "etc/passwd": b"root"})
PLATFORM = Platform(os="linux", architecture="arm64", variant="v8")


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, bz2.compress, lzma.compress])
async def test_an_archive_becomes_an_image(room: Room, wrap: Callable[[bytes], bytes]) -> None:
    settings = {"Cmd": ["sh"], "Env": ["A=1"]}
    image = await room.importer.import_(chunked(wrap(DATA)), settings, PLATFORM, "hello", [parse("app:1")])
    assert image.repo_tags == ("app:1",)
    assert image.config.cmd == ("sh",) and image.config.env == ("A=1",)
    assert (image.config.architecture, image.config.variant, image.config.comment) == ("arm64", "v8", "hello")
    assert image.config.diff_ids == (digest(DATA),)
    assert [entry.comment for entry in image.config.history] == ["hello"]
    assert (room.snapshotter.upper(image.chain_id or "") / "bin/sh").read_bytes() == b"shell"
    assert room.stored() == {image.id, digest(DATA)} and room.ingesting() == []


async def test_the_same_input_and_time_make_the_same_image(room: Room) -> None:
    created = "2024-01-01T00:00:00Z"
    one = await room.importer.import_(chunked(DATA), {}, PLATFORM, "", created=created)
    two = await room.importer.import_(chunked(DATA, 77), {}, PLATFORM, "", created=created)
    assert one.id == two.id and one.config.created == created
    assert (await room.importer.import_(chunked(DATA), {}, PLATFORM, "")).id != one.id


async def test_garbage_leaves_nothing(room: Room) -> None:
    with pytest.raises(InvalidParameter):
        await room.importer.import_(chunked(gzip.compress(DATA)[:-9]), {}, PLATFORM, "")
    assert room.stored() == set() and room.ingesting() == [] and room.images.all() == []
