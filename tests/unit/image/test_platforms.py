"""Images for several platforms, out to an archive and in again."""

import gzip
import json

import pytest

from havre.errors import NotFound
from havre.image import manifest as manifests
from havre.image.load import Loaded
from havre.image.manifest import parse_platform
from tests.unit.engine.imageverbs import Verbs
from tests.unit.image.conftest import Room, chunked, config, digest, tar, untar

HOST = manifests.host_platform()
SPARC = parse_platform("linux/sparc")
LAYERS = [tar({"host": b"1"}), tar({"sparc": b"2"})]


def described(data: bytes, media_type: str, **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}


def archive(*, damaged: bool = False) -> tuple[dict[str, bytes], str]:
    """An OCI layout with an index for this host, sparc and a platform that is not there; and an attestation."""
    blobs: list[bytes] = []
    entries = []
    for layer, platform in zip(LAYERS, (HOST, SPARC), strict=True):
        settings = json.loads(config([layer])) | {"os": platform.os, "architecture": platform.architecture}
        document, packed = json.dumps(settings).encode(), gzip.compress(layer, mtime=0)
        body = {
            "schemaVersion": 2,
            "config": described(document, manifests.OCI_CONFIG),
            "layers": [described(packed, manifests.OCI_LAYER_GZIP)],
        }
        data = json.dumps(body).encode()
        shown = {"os": platform.os, "architecture": platform.architecture}
        entries.append(described(data, manifests.OCI_MANIFEST, platform=shown))
        blobs += [document, packed, data]
    statement, nothing = b'{"predicate": 1}', b"{}"
    body = {
        "schemaVersion": 2,
        "config": described(nothing, manifests.OCI_CONFIG),
        "layers": [described(statement, "application/vnd.in-toto+json")],
    }
    data = json.dumps(body).encode()
    notes = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": str(entries[0]["digest"]),
    }
    entries.append(described(data, manifests.OCI_MANIFEST, annotations=notes))
    blobs += [statement, nothing, data]
    if damaged:
        blobs[-3] = b'{"predicate": 2}'
    inner = json.dumps({"schemaVersion": 2, "mediaType": manifests.OCI_INDEX, "manifests": entries}).encode()
    files = {f"blobs/sha256/{digest(blob)[7:]}": blob for blob in [*blobs, inner]}
    if damaged:
        files[f"blobs/sha256/{digest(statement)[7:]}"] = b'{"predicate": 2}'
    named = described(inner, manifests.OCI_INDEX, annotations={"io.containerd.image.name": "docker.io/library/app:1"})
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [named]}).encode()
    return files, digest(inner)


async def saved(verbs: Verbs, *names: str, platforms: tuple[str, ...] = ()) -> bytes:
    return b"".join([piece async for piece in verbs.images.save(names, platforms)])


async def test_there_and_back(room: Room) -> None:
    files, index = archive()
    verbs = Verbs(room)
    (image,) = await room.load(tar(files))
    assert image.repo_tags == ("app:1",) and room.images.target("app:1") == index
    assert [each.config.architecture for each in room.images.variants("app:1")] == [HOST.architecture, "sparc"]
    assert room.stored() == {f"sha256:{name[13:]}" for name in files if name.startswith("blobs/")}
    data = await saved(verbs, "app:1")
    out = untar(data)
    assert {name: out.get(name) for name in files if name != "index.json"} == {
        name: files[name] for name in files if name != "index.json"
    }
    (listed,) = json.loads(out["index.json"])["manifests"]
    assert listed["digest"] == index
    assert [entry["Config"][13:] for entry in json.loads(out["manifest.json"])] == [image.id[7:]]
    before = room.stored()
    removed = await verbs.remove("app:1")
    assert [word for word, _ in removed if word == "Untagged"] == ["Untagged"] and room.images.all() == []
    assert room.stored() == set()
    await room.load(data)
    assert room.stored() == before and room.images.target("app:1") == index
    await room.restart()
    assert len(room.images.variants("app:1")) == 2


async def test_one_platform_out(room: Room) -> None:
    files, index = archive()
    verbs = Verbs(room)
    await room.load(tar(files))
    out = untar(await saved(verbs, "app:1", platforms=("linux/sparc",)))
    (listed,) = json.loads(out["index.json"])["manifests"]
    assert listed["mediaType"] == manifests.OCI_MANIFEST
    assert len([name for name in out if name.startswith("blobs/")]) == 3
    both = untar(await saved(verbs, "app:1", platforms=("linux/sparc", str(HOST))))
    assert json.loads(both["index.json"])["manifests"][0]["digest"] == index
    with pytest.raises(NotFound, match="no suitable export target found for platform linux/riscv64"):
        await saved(verbs, "app:1", platforms=("linux/riscv64",))


async def test_one_platform_in(room: Room) -> None:
    files, index = archive()
    events = [event async for event in room.loader.load(chunked(tar(files)), [SPARC])]
    (event,) = [event for event in events if isinstance(event, Loaded)]
    assert event.image.config.architecture == "sparc" and len(room.images.all()) == 1
    assert room.images.target("app:1") == index
    with pytest.raises(NotFound, match=r"requested platform\(s\) \(linux/riscv64\) not found"):
        async for _ in room.loader.load(chunked(tar(files)), [parse_platform("linux/riscv64")]):
            pass


async def test_what_is_said_of_an_image_must_be_what_it_is_called(room: Room) -> None:
    files, _ = archive(damaged=True)
    with pytest.raises(Exception, match="in the archive"):
        await room.load(tar(files))
    assert room.images.all() == []


async def test_the_list_of_manifests(room: Room) -> None:
    files, index = archive()
    verbs = Verbs(room)
    await room.load(tar(files))
    shown = await verbs.images.inspect("app:1", manifests=True)
    assert shown["Descriptor"]["digest"] == index
    kinds = [(each["Kind"], each["Available"]) for each in shown["Manifests"]]
    assert kinds == [("image", True), ("image", True), ("attestation", True)]
    first, second, third = shown["Manifests"]
    assert first["ImageData"]["Platform"] == {"os": HOST.os, "architecture": HOST.architecture}
    assert first["Size"]["Total"] == first["Size"]["Content"] + first["ImageData"]["Size"]["Unpacked"]
    assert third["AttestationData"] == {"For": first["ID"]}
    (row,) = await verbs.listed(manifests=True)
    assert row["Manifests"] == shown["Manifests"]
    verbs.users.containers[second_id := room.images.resolve("app:1", SPARC).id] = [("c" * 64, True)]
    shown = await verbs.images.inspect("app:1", manifests=True)
    assert shown["Manifests"][1]["ImageData"]["Containers"] == ["c" * 64] and second_id != shown["Id"]
    assert second["ImageData"]["Containers"] == []


async def test_a_platform_removed(room: Room) -> None:
    files, _ = archive()
    verbs = Verbs(room)
    await room.load(tar(files))
    ours, sparc = room.images.variants("app:1")
    verbs.users.containers[sparc.id] = [("c" * 64, False)]
    with pytest.raises(Exception, match="image is being used by stopped container"):
        await verbs.images.remove("app:1", platforms=["linux/sparc"])
    with pytest.raises(Exception, match="container cccccccccccc is using its referenced image"):
        await verbs.images.remove("app:1")
    await verbs.images.prune(verbs.filters(dangling=["false"]))
    assert len(room.images.all()) == 2
    verbs.users.containers.clear()
    removed = await verbs.images.remove("app:1", platforms=["linux/sparc"])
    assert removed[0] == {"Deleted": sparc.id} and room.images.resolve("app:1").id == ours.id
    shown = await verbs.images.inspect("app:1", manifests=True)
    assert [each["Available"] for each in shown["Manifests"]] == [True, False, True]
    removed = await verbs.images.remove("app:1", platforms=[str(HOST)])
    assert removed[:2] == [{"Untagged": "app:1"}, {"Deleted": ours.id}] and room.stored() == set()


async def test_ids_of_manifests_are_understood(room: Room) -> None:
    files, index = archive()
    verbs = Verbs(room)
    await room.load(tar(files))
    ours, sparc = room.images.variants("app:1")
    assert sparc.manifest is not None
    assert room.images.resolve(index).id == ours.id and room.images.resolve(sparc.manifest.digest).id == sparc.id
    await verbs.images.remove(sparc.manifest.digest)
    assert [image.id for image in room.images.all()] == [ours.id]
    await verbs.images.remove(index)
    assert room.images.all() == []
