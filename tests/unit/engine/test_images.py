"""Docker's verbs for images over real stores; shapes, order and texts are those a dockerd 28 gave."""

import json
from pathlib import Path

import pytest

from havre.errors import InvalidParameter, NotFound, Unsupported
from havre.image.digest import chain_ids
from havre.image.manifest import Platform, host_platform
from havre.lib.references import parse
from havre.wire.filters import Filters
from tests.unit.engine.imageverbs import BASE, C1, C2, SOME, TOP, Verbs, child_of, short, verbs
from tests.unit.image.conftest import chunked, digest, docker_archive, tar, untar
from tests.unit.image.test_load import index, layout

# -- list, inspect, history -------------------------------------------------------------------------------------------

__all__ = ["verbs"]


async def test_a_row_of_the_list(verbs: Verbs) -> None:
    image = await verbs.load("app:2", "app:1", layers=[BASE, TOP], Labels={"a": "b"})
    await verbs.room.images.tag(image, parse("app@" + SOME))
    verbs.users.containers[image] = [(C1, False), (C2, True)]
    assert await verbs.images.list(False, Filters()) == [
        {
            "Containers": 2,
            "Created": 1704067200,
            "Id": image,
            "Labels": {"a": "b"},
            "ParentId": "",
            "RepoDigests": ["app@" + SOME],
            "RepoTags": ["app:1", "app:2"],
            "SharedSize": -1,
            "Size": 3,
        }
    ]
    assert verbs.images.count() == 1


async def test_shared_sizes_and_disk_usage(verbs: Verbs) -> None:
    await verbs.load("one:1", layers=[BASE, TOP])
    await verbs.load("two:1", layers=[BASE], Cmd=["x"])
    rows = await verbs.images.list(False, Filters(), shared_size=True)
    assert {row["RepoTags"][0]: row["SharedSize"] for row in rows} == {"one:1": 1, "two:1": 1}
    usage = await verbs.images.disk_usage()
    assert usage["LayersSize"] == 3
    assert {row["RepoTags"][0]: row["Size"] for row in usage["Images"]} == {"one:1": 3, "two:1": 1}


async def test_list_filters(verbs: Verbs) -> None:
    await verbs.load("team/app:1", "quay.io/x/app:2", Labels={"kind": "test"})
    await verbs.load(Cmd=["nameless"])
    digested = await verbs.load(Cmd=["digest only"])
    await verbs.room.images.tag(digested, parse("only@" + SOME))
    both = ["team/app:1", "quay.io/x/app:2"]
    for filters, expected in [
        ({}, [both, [], []]),
        ({"dangling": ["true"]}, [[], []]),
        ({"dangling": ["false"]}, [both, []]),
        ({"label": ["kind"]}, [both]),
        ({"label": ["kind=other"]}, []),
        ({"reference": ["team/app"]}, [["team/app:1"]]),
        ({"reference": ["team/*:1"]}, [["team/app:1"]]),
        ({"reference": ["*/*/app"]}, [["quay.io/x/app:2"]]),
        ({"reference": ["app"]}, []),
        ({"reference": ["*:1", "*/*"]}, [["team/app:1"]]),
        ({"reference": ["only"]}, [[]]),
        ({"until": ["2000-01-01"]}, []),
        ({"until": ["1h"]}, [both, [], []]),
        ({"before": ["team/app:1"]}, []),
        ({"since": ["team/app:1"]}, []),
    ]:
        assert sorted(await verbs.tags(filters), key=len, reverse=True) == expected, filters


async def test_list_before_and_since(verbs: Verbs) -> None:
    dates = {"old:1": "2020-01-01T00:00:00Z", "middle:1": "2021-01-01T00:00:00.5Z", "new:1": "2022-01-01T00:00:00Z"}
    for name, date in dates.items():
        platform = host_platform()
        await verbs.room.importer.import_(chunked(BASE), {"Cmd": [name]}, platform, "", [parse(name)], date)
    assert await verbs.tags() == [["new:1"], ["middle:1"], ["old:1"]]
    assert await verbs.tags({"before": ["middle:1"]}) == [["old:1"]]
    assert await verbs.tags({"since": ["middle:1"]}) == [["new:1"]]
    assert await verbs.tags({"since": ["old:1"], "before": ["new:1"]}) == [["middle:1"]]


@pytest.mark.parametrize(
    ("filters", "error", "message"),
    [
        ({"foo": ["x"]}, InvalidParameter, "invalid filter 'foo'"),
        ({"label!": ["x"]}, InvalidParameter, "invalid filter 'label!'"),
        ({"dangling": ["x"]}, InvalidParameter, "invalid filter 'dangling=[x]'"),
        ({"before": ["nothing"]}, NotFound, "No such image: nothing:latest"),
        ({"reference": ["[a"]}, InvalidParameter, "syntax error in pattern"),
        ({"until": ["x"]}, InvalidParameter, 'failed to parse value as time or duration: "x"'),
    ],
)
async def test_list_errors(verbs: Verbs, filters: dict[str, list[str]], error: type[Exception], message: str) -> None:
    await verbs.load("app:1")
    with pytest.raises(error) as caught:
        await verbs.tags(filters)
    assert str(caught.value) == message


async def test_nameless_images_others_were_built_on_are_left_out(verbs: Verbs) -> None:
    parent = await verbs.load()
    await child_of(verbs, parent, "app:1", Cmd=["child"])
    assert await verbs.tags() == [["app:1"]]
    assert len(await verbs.tags(all=True)) == 2


async def test_inspect(verbs: Verbs) -> None:
    settings = {"Cmd": ["sh"], "Env": ["A=1"], "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGQUIT"}
    image = await verbs.load("app:1", layers=[BASE, TOP], **settings, Volumes={"/v": {}})
    found = await verbs.images.inspect("app:1")
    upper = verbs.room.snapshotter.upper
    base, top = chain_ids([digest(BASE), digest(TOP)])
    assert found.pop("Metadata")["LastTagTime"].startswith("20")
    assert found == {
        "Id": image,
        "RepoTags": ["app:1"],
        "RepoDigests": [],
        "Parent": "",
        "Comment": "",
        "Created": "2024-01-01T00:00:00Z",
        "DockerVersion": "",
        "Author": "",
        "Architecture": "amd64",
        "Os": "linux",
        "Size": 3,
        "GraphDriver": {"Name": "overlay2", "Data": {"LowerDir": str(upper(base)), "UpperDir": str(upper(top))}},
        "RootFS": {"Type": "layers", "Layers": [digest(BASE), digest(TOP)]},
        "Config": {
            "Cmd": ["sh"],
            "Entrypoint": None,
            "Env": ["A=1"],
            "Labels": None,
            "OnBuild": None,
            "User": "",
            "Volumes": {"/v": {}},
            "WorkingDir": "",
            "ExposedPorts": {"80/tcp": {}},
            "StopSignal": "SIGQUIT",
        },
    }
    assert json.dumps(found)
    with pytest.raises(NotFound):
        await verbs.images.inspect("nothing")


async def test_inspect_of_an_image_never_tagged(verbs: Verbs) -> None:
    image = await verbs.load()
    assert (await verbs.images.inspect(image))["Metadata"] == {"LastTagTime": "0001-01-01T00:00:00Z"}


async def test_history(verbs: Verbs) -> None:
    image = await verbs.load("app:1", layers=[BASE, TOP])
    step = {"Created": 1704067200, "Comment": ""}
    assert await verbs.images.history("app:1") == [
        {"Id": image, "CreatedBy": "step 1", "Tags": ["app:1"], "Size": 2, **step},
        {"Id": "<missing>", "CreatedBy": "step 0", "Tags": None, "Size": 1, **step},
    ]


# -- tag, load, save, import, pull ------------------------------------------------------------------------------------


async def test_tag(verbs: Verbs) -> None:
    image = await verbs.load("app:1")
    await verbs.images.tag("app:1", "quay.io/x", "")
    await verbs.images.tag("app:1", "y:5", "")
    await verbs.images.tag(short(image), "y:5", "6")
    assert await verbs.tags() == [["app:1", "y:5", "y:6", "quay.io/x:latest"]]
    assert verbs.events.events[-1] == ("tag", image, "y:6")


@pytest.mark.parametrize(
    ("repo", "tag", "message"),
    [
        ("UPPER", "", "invalid reference format: repository name (library/UPPER) must be lowercase"),
        ("x", "a:b", "invalid tag format"),
        ("x@" + SOME, "t", "cannot import digest reference"),
        ("a" * 64, "", f"invalid repository name ({'a' * 64}), cannot specify 64-byte hexadecimal strings"),
        ("", "", "invalid reference format"),
    ],
)
async def test_tag_errors(verbs: Verbs, repo: str, tag: str, message: str) -> None:
    await verbs.load("app:1")
    with pytest.raises(InvalidParameter) as caught:
        await verbs.images.tag("app:1", repo, tag)
    assert caught.value.message == message
    with pytest.raises(NotFound, match="No such image: nothing:latest"):
        await verbs.images.tag("nothing", "x", "1")


async def test_load_messages(verbs: Verbs) -> None:
    data = tar(docker_archive([BASE], ["app:1", "app:2"]))
    bar, *lines = [message async for message in verbs.images.load(chunked(data), quiet=False)][-3:]
    assert bar == {
        "status": "Loading layer",
        "progressDetail": {"current": len(BASE), "total": len(BASE)},
        "progress": "[==================================================>]  10.24kB/10.24kB",
        "id": digest(BASE).partition(":")[2][:12],
    }
    assert lines == [{"stream": "Loaded image: app:1\n"}, {"stream": "Loaded image: app:2\n"}]
    old = verbs.room.images.resolve("app:1").id
    assert verbs.events.events == [("load", old, old)]
    data = tar(docker_archive([BASE], ["app:1"], Cmd=["new"]))
    assert [message async for message in verbs.images.load(chunked(data), quiet=False)] == [
        {"stream": f"The image app:1 already exists, renaming the old one with ID {old} to empty string\n"},
        {"stream": "Loaded image: app:1\n"},
    ]


async def test_quiet_load_messages(verbs: Verbs) -> None:
    data = tar(docker_archive([BASE], None))
    messages = [message async for message in verbs.images.load(chunked(data), quiet=True)]
    assert messages == [{"stream": f"Loaded image ID: {verbs.room.images.all()[0].id}\n"}]


async def archive(verbs: Verbs, *names: str, platform: str | None = None) -> list[tuple[str, list[str] | None]]:
    """What an archive of ``names`` holds: the images with their tags."""
    data = b"".join([piece async for piece in verbs.images.save(names, [platform] if platform else [])])
    entries = json.loads(untar(data)["manifest.json"])
    return [("sha256:" + entry["Config"].rpartition("/")[2], entry["RepoTags"]) for entry in entries]


async def test_save_by_every_name(verbs: Verbs) -> None:
    image = await verbs.load("app:1", "app:2", "other:1")
    nameless = await verbs.load(Cmd=["x"])
    assert await archive(verbs, "app") == [(image, ["app:1", "app:2"])]
    assert await archive(verbs, "app:2", "other") == [(image, ["app:2", "other:1"])]
    assert await archive(verbs, short(nameless), image, "app:1") == [(nameless, None), (image, ["app:1"])]
    assert await archive(verbs) == []
    assert verbs.events.events[-1] == ("save", image, image)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "No such image: nothing:latest"),
        ("nothing:1", "reference does not exist"),
        ("app:nothing", "reference does not exist"),
        ("sha256:1234", "No such image: sha256:1234"),
    ],
)
async def test_save_errors(verbs: Verbs, name: str, message: str) -> None:
    await verbs.load("app:1")
    with pytest.raises(NotFound) as caught:
        await archive(verbs, name)
    assert caught.value.message == message


async def test_save_for_a_platform(verbs: Verbs) -> None:
    image = await verbs.load("app:1")
    assert await archive(verbs, "app", platform="linux/amd64") == [(image, ["app:1"])]
    with pytest.raises(NotFound, match="no suitable export target found for platform linux/arm64"):
        await archive(verbs, "app", platform="linux/arm64")


async def test_import(verbs: Verbs) -> None:
    changes = ['CMD ["x"]', "ENV A=1"]
    messages = verbs.images.import_("-", "app", "1", "a note", changes, None, chunked(BASE))
    ((status),) = [message async for message in messages]
    image = await verbs.images.inspect("app:1")
    assert status == {"status": image["Id"]}
    assert (image["Comment"], image["Config"]["Cmd"], image["Config"]["Env"]) == ("a note", ["x"], ["A=1"])
    assert verbs.events.events == [("tag", image["Id"], "app:1"), ("import", image["Id"], image["Id"])]


@pytest.mark.parametrize(
    ("source", "repo", "changes", "platform", "error"),
    [
        ("-", "UPPER", [], None, InvalidParameter),
        ("-", "x", ["FOO a"], None, InvalidParameter),
        ("-", "x", [], "windows/amd64", InvalidParameter),
        ("http://example.com/x.tar", "x", [], None, Unsupported),
    ],
)
async def test_import_errors(
    verbs: Verbs, source: str, repo: str, changes: list[str], platform: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        async for _ in verbs.images.import_(source, repo, "", "", changes, platform, chunked(BASE)):
            pass
    assert verbs.images.count() == 0


@pytest.mark.parametrize(
    ("ref", "tag", "all_tags", "asked"),
    [
        ("app", "1", False, "app:1"),
        ("app:2", "", False, "app:2"),
        ("app", SOME, False, "app@" + SOME),
        ("app", "", True, "app"),
    ],
)
async def test_pull(verbs: Verbs, ref: str, tag: str, all_tags: bool, asked: str) -> None:
    await verbs.load(Labels={"a": "b"})
    assert [m async for m in verbs.images.pull(ref, tag, "linux/arm64", None, all_tags)] == [{"status": "pulled"}]
    assert verbs.puller.asked == [(asked, Platform(os="linux", architecture="arm64"), all_tags)]
    assert verbs.events.events == [("pull", asked, "app")]
    if not all_tags:
        assert verbs.events.attributes == [{"a": "b", "name": "app"}]


async def test_pull_errors(verbs: Verbs) -> None:
    for ref, tag, message in [
        ("UPPER", "x", "must be lowercase"),
        ("x", "@", "invalid tag format"),
        ("a:b:c", "", "invalid"),
    ]:
        with pytest.raises(InvalidParameter, match=message):
            async for _ in verbs.images.pull(ref, tag, None, None, False):
                pass


async def test_the_embedded_image_is_made_not_pulled(verbs: Verbs, monkeypatch: pytest.MonkeyPatch) -> None:
    from havre.image import hello

    monkeypatch.setattr(hello, "busybox", lambda: Path("/bin/busybox"))
    monkeypatch.setattr(hello, "_archive", lambda _: BASE)
    messages = [m async for m in verbs.images.pull("havre/hello", "latest", None, None, False)]
    assert messages[-1] == {"status": "Status: Made new image for havre/hello:latest"}
    assert verbs.puller.asked == []
    messages = [m async for m in verbs.images.pull("havre/hello", "", str(host_platform()), None, False)]
    assert messages == [{"status": "Status: Image is up to date for havre/hello:latest"}]


async def test_a_loaded_layout_can_be_saved_by_its_name(verbs: Verbs) -> None:
    blobs, descriptor = layout([BASE], annotations={"io.containerd.image.name": "quay.io/x:1"})
    (image,) = await verbs.room.load(tar({**blobs, "index.json": index(descriptor)}))
    assert await archive(verbs, "quay.io/x") == [(image.id, ["quay.io/x:1"])]
