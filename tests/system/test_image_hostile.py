"""A corpus of hostile layers: none writes outside of its directory, and a refused one leaves nothing behind.

Each is given to the whole layer store, with a stack below it and a canary beside it that must not change.
"""

import gzip
import hashlib
import os
import struct
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from havre.errors import HavreError, InvalidParameter
from havre.image.blobs import BlobStore
from havre.image.layers import LayerStore
from havre.image.manifest import OCI_LAYER, Descriptor
from havre.image.snapshots.overlay import OverlaySnapshotter
from havre.kernel.unpack import Limits
from havre.store.db import Database
from havre.store.layout import Layout
from havre.store.schema import images as schema
from tests.system.layers import Member, directory, file, hard, link, special, tar

pytestmark = pytest.mark.system

HOST_DISK = os.stat("/").st_dev


class Store:
    """A layer store on its own data root, and the canary: files near to it that no layer may reach."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root / "data", root / "run")
        self.layout.prepare()
        self.canary = root / "canary"
        (self.canary / "directory").mkdir(parents=True)
        (self.canary / "secret").write_text("secret")
        (self.canary / "directory/file").write_text("file")

    async def start(self) -> None:
        self.db = Database.open(self.layout.database, {"images": schema.MIGRATIONS})
        self.blobs = BlobStore(self.layout)
        self.snapshotter = OverlaySnapshotter(self.db, self.layout)
        await self.snapshotter.start()
        self.layers = LayerStore(self.blobs, self.snapshotter, Limits(entries=2000, size=100 << 20))

    async def stop(self) -> None:
        await self.layers.close()
        await self.snapshotter.close()
        self.db.close()

    async def unpack(self, data: bytes, parent: str | None = None) -> Path:
        """Unpack the uncompressed layer ``data`` and return its directory."""
        digest = await self.blobs.add(data)
        blob = Descriptor(media_type=OCI_LAYER, digest=digest, size=len(data))
        return self.snapshotter.upper(await self.layers.ensure(parent, digest, blob))

    def state(self) -> dict[str, tuple[object, ...]]:
        """Everything about the canary, and what there is beside it."""
        found: dict[str, tuple[object, ...]] = {}
        for path in [self.canary, *sorted(self.canary.rglob("*"))]:
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (status.st_mode, status.st_uid, status.st_nlink, status.st_mtime_ns, content)
            found[str(path) + " attributes"] = tuple(os.listxattr(path))
        found["around"] = tuple(sorted(os.listdir(self.canary.parent)))
        found["root"] = tuple(sorted(os.listdir("/")))
        return found


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path)
    await store.start()
    yield store
    await store.stop()


def up(depth: int = 12) -> str:
    return "../" * depth


def ways_out(canary: str) -> dict[str, list[Member]]:
    """Archives by what they try. ``canary`` is the absolute path of the directory to get at."""
    inside = canary.lstrip("/")
    return {
        "a name that climbs": [file("../escaped")],
        "a name that climbs from the root": [file("/../escaped")],
        "a name that climbs late": [directory("a"), file("a/../../escaped")],
        "a name that climbs far": [file(up() + inside + "/escaped")],
        "a directory that climbs": [directory("../escaped")],
        "an absolute name": [file(f"{canary}/escaped")],
        "a link out and a file through it": [link("out", canary), file("out/escaped")],
        "a relative link out": [link("out", up() + inside), file("out/escaped")],
        "links through links": [link("a", "/"), link("b", "a"), link("c", f"b{canary}"), file("c/escaped")],
        "a link to itself": [link("loop", "loop"), file("loop/escaped")],
        "links to each other": [link("a", "b"), link("b", "a"), file("a/escaped")],
        "a link in place of the file": [link("secret", f"{canary}/secret"), file("secret", b"overwritten")],
        "a directory becomes a link": [directory("d"), file("d/x"), link("d", canary), file("d/escaped")],
        "a directory over a link": [link("d", canary), directory("d", mode=0o777, uid=1000), file("d/escaped")],
        "a mode through a link": [link("secret", f"{canary}/secret"), hard("again", "secret", mode=0o777)],
        "a hard link out": [hard("stolen", f"{canary}/secret")],
        "a hard link that climbs": [hard("stolen", up() + inside + "/secret")],
        "a hard link through a link": [link("out", canary), hard("stolen", "out/secret")],
        "a hard link to a link, then a file": [
            link("l", f"{canary}/secret"),
            hard("h", "l"),
            file("h", b"overwritten"),
        ],
        "a hard link to a directory": [directory("d"), hard("h", "d")],
        "a hard link to itself": [file("f", b"1"), hard("f", "f")],
        "a hard link to nothing": [hard("h", "nothing")],
        "a hard link named through a link": [file("f"), link("out", canary), hard("out/escaped", "f")],
        "a link named through a link": [link("out", canary), link("out/escaped", "/etc/passwd")],
        "a device through a link": [link("out", canary), special("out/escaped", tarfile.CHRTYPE, 1, 3)],
        "a directory through a link": [link("out", canary), directory("out/directory", mode=0o777, uid=1000)],
        "the disk itself": [
            special("disk", tarfile.BLKTYPE, os.major(HOST_DISK), os.minor(HOST_DISK)),
            file("disk", b"overwritten"),
        ],
        "a pipe that would hang": [special("p", tarfile.FIFOTYPE), file("p", b"x"), hard("q", "p")],
    }


def corpus(canary: str) -> dict[str, list[Member]]:
    """``ways_out``, and what is impossible, without end, or means nothing."""
    return {
        **ways_out(canary),
        "a whiteout that climbs": [file("../.wh.canary")],
        "a whiteout through a link": [link("out", canary), file("out/.wh.secret")],
        "an opaque mark through a link": [link("out", canary), file("out/.wh..wh..opq")],
        "a whiteout of the parent": [directory("d"), file("d/.wh...")],
        "a whiteout of itself": [directory("d"), file("d/.wh..")],
        "a whiteout of nothing": [file("d/.wh.")],
        "attributes through a link": [link("secret", f"{canary}/secret", xattrs={"user.a": "1"})],
        "the root as a file": [file("./", b"x")],
        "the root as a link": [link("/", canary), file("escaped")],
        "the root as a hard link": [file("f"), hard(".", "f")],
        "no name": [file("")],
        "a name as long as no path": [file("/".join(["x" * 200] * 30))],
        "a name part as long as no name": [file("x" * 300)],
        "directories without end": [directory("/".join(["d"] * 1500)), file("/".join(["d"] * 1500) + "/f"), file("d")],
        "directories beyond any path": [file("/".join(["d"] * 3000))],
        "too many entries": [file(str(number)) for number in range(2001)],
        "an owner nobody is": [file("f", uid=2**32 - 1)],
        "an owner beyond numbers": [file("f", uid=2**40)],
        "a device beyond numbers": [special("d", tarfile.CHRTYPE, 2**21 - 1, 2**21 - 1)],
        "times beyond time": [file("f", mtime=2**62), directory("d", mtime=2**62), link("l", "f", mtime=2**62)],
        "an attribute too large": [file("f", xattrs={"user.a": "x" * 70_000})],
        "a name for terminals": [file("\x1b[2J\nprogress 1\ndone sha256:x 1 1\n"), file("../\ndone x 1 1")],
    }


NAMES = list(corpus("/canary"))
HARMLESS = {
    "an absolute name",
    "a link in place of the file",
    "a directory over a link",
    "a mode through a link",
    "a hard link to a link, then a file",
    "a hard link to itself",
    "the disk itself",
    "a pipe that would hang",
    "attributes through a link",
    "directories without end",
    "times beyond time",
}
"""Those that mean something unusual but allowed: they are unpacked, inside. All others may also be refused."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("below", ["nothing below", "a layer below"])
async def test_nothing_gets_out(store: Store, name: str, below: str) -> None:
    parent = None
    if below == "a layer below":
        base = tar(directory("d", mode=0o700), file("d/file"), link("out", str(store.canary)), file("f"))
        await store.unpack(base)
        parent = "sha256:" + hashlib.sha256(base).hexdigest()
    before, kept = store.state(), set(store.snapshotter.all())
    data = tar(*corpus(str(store.canary))[name])
    try:
        unpacked = await store.unpack(data, parent)
    except InvalidParameter:
        assert name not in HARMLESS
        await store.snapshotter.close()
        assert set(store.snapshotter.all()) == kept
        assert len(os.listdir(store.layout.snapshots)) == len(kept)
    else:
        for path in unpacked.rglob("*"):
            assert path.lstat().st_dev == unpacked.stat().st_dev
    assert store.state() == before


async def test_links_lead_into_the_layer_itself(store: Store) -> None:
    root = await store.unpack(tar(*corpus(str(store.canary))["a mode through a link"]))
    assert os.readlink(root / "again") == f"{store.canary}/secret"
    root = await store.unpack(tar(*corpus(str(store.canary))["an absolute name"]))
    assert (root / str(store.canary).lstrip("/") / "escaped").is_file()


async def test_a_device_is_made_but_not_written_to(store: Store) -> None:
    root = await store.unpack(tar(*corpus(str(store.canary))["the disk itself"]))
    assert (root / "disk").read_bytes() == b"overwritten" and (root / "disk").is_file()


DAMAGED = {
    "garbage": b"garbage" * 500,
    "zeroes then garbage": bytes(512) + b"x" * 512,
    "cut in a header": tar(file("f"))[:300],
    "cut in a file": tar(file("f", b"x" * 5000))[:3000],
    "gzip cut short": gzip.compress(tar(file("f", os.urandom(50_000))))[:20_000],
    "gzip with a wrong sum": gzip.compress(tar(file("f")))[:-8] + bytes(8),
    "gzip of garbage": gzip.compress(b"garbage" * 500),
    "gzip followed by garbage": gzip.compress(tar(file("f"))) + b"garbage",
    "zstd cut short": b"\x28\xb5\x2f\xfd\x04\x00",
    "zstd with a window of gigabytes": b"\x28\xb5\x2f\xfd\x00\xf8" + struct.pack("<I", 1),
    "xz of nothing": b"\xfd7zXZ\0",
}


@pytest.mark.parametrize("name", list(DAMAGED))
async def test_damaged_layers_leave_nothing(store: Store, name: str) -> None:
    before = store.state()
    with pytest.raises(InvalidParameter):
        await store.unpack(DAMAGED[name])
    await store.snapshotter.close()
    assert not store.snapshotter.all() and not os.listdir(store.layout.snapshots)
    assert store.state() == before


async def test_a_bomb_is_stopped(store: Store) -> None:
    data = gzip.compress(tar(file("zeroes", bytes(200 << 20))), 1)
    with pytest.raises(InvalidParameter, match="larger than"):
        await store.unpack(data)
    await store.snapshotter.close()
    assert not os.listdir(store.layout.snapshots)


async def test_a_wrong_digest_leaves_nothing(store: Store) -> None:
    data = tar(file("f"))
    digest = await store.blobs.add(data)
    blob = Descriptor(media_type=OCI_LAYER, digest=digest, size=len(data))
    with pytest.raises(HavreError, match="names it"):
        await store.layers.ensure(None, "sha256:" + "0" * 64, blob)
    await store.snapshotter.close()
    assert not os.listdir(store.layout.snapshots)
