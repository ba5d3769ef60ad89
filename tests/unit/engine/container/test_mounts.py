"""What becomes of -v, --mount, --tmpfs and the image's volumes."""

import re
from pathlib import Path
from typing import Any

import pytest

from havre.engine.container import mountwords
from havre.engine.container.mounts import WantedVolume, plan, to_oci, warnings
from havre.engine.container.record import Container, MountRecord
from havre.errors import InvalidParameter, NotFound
from havre.wire.containers import (
    BindOptions,
    ContainerConfig,
    HostConfig,
    ImageOptions,
    Mount,
    TmpfsOptions,
    VolumeDriverConfig,
    VolumeOptions,
)


class Volumes:
    """Makes up a volume for every wish."""

    def __init__(self) -> None:
        self.wanted: list[WantedVolume] = []

    async def for_container(self, wanted: WantedVolume) -> tuple[str, str, Path]:
        self.wanted.append(wanted)
        name = wanted.name or "anonymous"
        return name, wanted.driver, Path("/volumes") / name

    async def discard_made_for(self, container_id: str) -> None: ...

    def settle(self, container_id: str) -> None: ...


class Around:
    """Containers by name, and one image."""

    def __init__(self, **containers: Container) -> None:
        self.containers = containers
        self.daemon_root = Path("/var/lib/havre")

    def container(self, reference: str) -> Container:
        if reference not in self.containers:
            raise NotFound(f"No such container: {reference}")
        return self.containers[reference]

    def image(self, reference: str) -> str:
        if reference not in ("busybox", "sha256:image"):
            raise NotFound(f"No such image: {reference}")
        return "sha256:image"

    def place(self, container_id: str, index: int) -> Path:
        return Path("/places") / str(index)


async def planned(config: ContainerConfig | None = None, **host: Any) -> tuple[MountRecord, ...]:
    return await plan(config or ContainerConfig(), HostConfig(**host), Volumes(), Around())


async def test_a_bind(tmp_path: Path) -> None:
    (mount,) = await planned(binds=[f"{tmp_path}/new:/data:ro"])
    assert (mount.point.type, mount.point.destination, mount.point.rw, mount.point.mode) == (
        "bind",
        "/data",
        False,
        "ro",
    )
    assert mount.make_source and not (tmp_path / "new").exists(), "it is made at start, as with Docker"
    assert to_oci([mount], {})[0]["options"] == ["rbind", "rro", "rprivate"]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [("/", "rslave"), ("/var/lib", "rslave"), ("/var/lib/havre/volumes", "rslave"), ("/var/lib/havre2", "rprivate")],
)
async def test_a_bind_of_the_daemons_own_mounts(source: str, wanted: str) -> None:
    """They are not held on to."""
    for host in (
        {"binds": [f"{source}:/a"]},
        {"mounts": [Mount(type="bind", source=source, target="/a", bind_options=BindOptions(create_mountpoint=True))]},
    ):
        (mount,) = await planned(**host)
        assert (mount.point.propagation, mount.options[-1]) == (wanted, wanted)
    (mount,) = await planned(binds=[f"{source}:/a:rshared"])
    assert mount.point.propagation == "rshared"
    if wanted == "rslave":
        with pytest.raises(InvalidParameter, match='must use either propagation mode "rslave" or "rshared"'):
            await planned(binds=[f"{source}:/a:private"])


async def test_a_named_volume_copies_up_unless_told_not_to() -> None:
    first, second = await planned(binds=["data:/a", "data:/b:nocopy"])
    assert (first.point.name, first.copy_up, first.anonymous) == ("data", True, False)
    assert not second.copy_up


async def test_the_images_volumes_are_anonymous_and_give_way() -> None:
    config = ContainerConfig(volumes={"/data": {}, "/other": {}})
    mounts = await planned(config, binds=["mine:/data"])
    assert [(mount.point.destination, mount.anonymous) for mount in mounts] == [("/data", False), ("/other", True)]


async def test_parents_come_before_children() -> None:
    mounts = await planned(binds=["aa:/x/y/z", "bb:/x"], tmpfs={"/x/y": "size=1m"})
    assert [mount.point.destination for mount in mounts] == ["/x", "/x/y", "/x/y/z"]


async def test_mounts_of_every_type(tmp_path: Path) -> None:
    mounts = await planned(
        mounts=[
            Mount(
                type="bind",
                source=str(tmp_path),
                target="/b",
                read_only=True,
                bind_options=BindOptions(propagation="rshared"),
            ),
            Mount(type="tmpfs", target="/t", tmpfs_options=TmpfsOptions(size_bytes=4096, mode=0o700)),
            Mount(type="volume", source="vol", target="/v", volume_options=VolumeOptions(no_copy=True)),
        ]
    )
    bind, tmpfs, volume = mounts
    assert to_oci([bind], {})[0]["options"] == ["rbind", "rro", "rshared"]
    assert to_oci([tmpfs], {})[0]["options"] == ["noexec", "nosuid", "nodev", "size=4096", "mode=700"]
    assert (volume.point.name, volume.copy_up) == ("vol", False)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"binds": ["/a:b"]}, "must be absolute"),
        ({"binds": ["/a:/"]}, "can't be '/'"),
        ({"binds": ["/a:/b:ro,rw"]}, "invalid mode"),
        ({"binds": ["/a:/b:nocopy"]}, "field VolumeOptions must not be specified"),
        ({"binds": ["aa:/b:rslave"]}, "field BindOptions must not be specified"),
        ({"binds": ["/a:/b:shared,slave"]}, "invalid mode: shared,slave"),
        ({"binds": ["/a:/b:ro,ro"]}, "invalid mode: ro,ro"),
        ({"binds": ["a:/c"]}, "volume name is too short"),
        ({"tmpfs": {"/t": "bogus"}}, 'invalid tmpfs option "bogus"'),
        ({"tmpfs": {"/t": "remount"}}, 'invalid tmpfs option "remount"'),
        ({"tmpfs": {"/t": "size"}}, 'invalid tmpfs option "size"'),
        ({"volumes_from": [""]}, "volumes-from specification cannot be an empty string"),
        ({"volumes_from": ["none"]}, "No such container: none"),
        ({"volumes_from": ["none:bogus"]}, "invalid mode: bogus"),
        ({"volumes_from": ["none:nocopy"]}, "invalid mode: nocopy"),
        ({"binds": ["a/b:/c"]}, "invalid characters"),
        ({"binds": ["aa:/c", "bb:/c/"]}, "Duplicate mount point: /c"),
        ({"binds": ["a:b:c:d"]}, "invalid volume specification"),
        ({"binds": ["/v:ro"]}, "invalid volume specification: '/v:ro'$"),
        ({"mounts": [Mount(type="bind", source="/nowhere/at/all", target="/x")]}, "does not exist: /nowhere/at/all"),
        ({"mounts": [Mount(type="bind", target="/x")]}, "field Source must not be empty"),
        ({"mounts": [Mount(type="tmpfs", source="x", target="/x")]}, "field Source must not be specified"),
        ({"mounts": [Mount(type="odd", target="/x")]}, "mount type unknown"),
        ({"mounts": [Mount(type="volume")]}, "Target must not be empty"),
    ],
)
async def test_malformed_mounts(host: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        await planned(**host)


def mount(type: str, **words: Any) -> dict[str, Any]:
    return {"mounts": [Mount(**{"type": type, "source": "vol", "target": "/x", **words})]}


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (mount("npipe"), 'invalid mount config for type "npipe": mount type unknown'),
        (mount("cluster"), 'invalid mount config for type "cluster": mount type unknown'),
        (mount("volume", target="/"), "invalid specification: destination can't be '/'"),
        (mount("volume", volume_options=VolumeOptions(subpath="/abs")), "subpath must be a relative path"),
        (mount("volume", volume_options=VolumeOptions(subpath="a/../../x")), "subpath must be a relative path"),
        (mount("volume", source="", volume_options=VolumeOptions(subpath="x")), "must not set Subpath when using anon"),
        (mount("image", source=""), "field Source must not be empty"),
        (mount("image", image_options=ImageOptions(subpath="../x")), "subpath must be a relative path"),
        (mount("bind", source="x"), "invalid mount path: 'x' mount path must be absolute"),
        (mount("bind", source="/usr", bind_options=BindOptions(propagation="odd")), "invalid propagation mode: odd"),
        (
            mount("bind", source="/usr", bind_options=BindOptions(read_only_force_recursive=True)),
            "mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive",
        ),
        (
            mount("bind", source="/usr", bind_options=BindOptions(read_only_non_recursive=True)),
            "mount options conflict: !ReadOnly && BindOptions.ReadOnlyNonRecursive",
        ),
        (
            mount(
                "bind",
                source="/",
                read_only=True,
                bind_options=BindOptions(read_only_non_recursive=True, read_only_force_recursive=True),
            ),
            "mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive",
        ),
        (mount("tmpfs", source="", tmpfs_options=TmpfsOptions(options=[["uid", "5"]])), "invalid option: uid"),
        (mount("tmpfs", source="", tmpfs_options=TmpfsOptions(options=[[]])), "invalid option array length"),
    ],
)
async def test_malformed_options(host: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameter, match=re.escape(words)):
        await planned(**host)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (BindOptions(), ["rbind", "rro", "rprivate"]),
        (BindOptions(read_only_non_recursive=True), ["rbind", "ro", "rprivate"]),
        (BindOptions(read_only_force_recursive=True), ["rbind", "rro", "rprivate"]),
        (BindOptions(non_recursive=True), ["bind", "ro", "rprivate"]),
    ],
)
async def test_how_deep_read_only_goes(options: BindOptions, words: list[str]) -> None:
    (found,) = await planned(**mount("bind", source="/usr", read_only=True, bind_options=options))
    assert to_oci([found], {})[0]["options"] == words


async def test_a_kernel_that_cannot_make_mounts_below_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mountwords, "recursive_readonly", lambda: False)
    (found,) = await planned(binds=["/usr:/x:ro"])
    assert to_oci([found], {})[0]["options"] == ["rbind", "ro", "rprivate"]
    force = BindOptions(read_only_force_recursive=True)
    with pytest.raises(InvalidParameter, match=r"5\.12"):
        await planned(**mount("bind", source="/usr", read_only=True, bind_options=force))


async def test_an_image_is_read_only_and_shown_at_its_place() -> None:
    (found,) = await planned(**mount("image", source="busybox", image_options=ImageOptions(subpath="bin")))
    assert (found.image, found.subpath, found.point.name) == ("sha256:image", "bin", "busybox")
    assert (found.point.source, found.point.rw) == ("/places/0", False)
    assert to_oci([found], {0: Path("/part")})[0]["source"] == "/part"
    with pytest.raises(NotFound, match="No such image: none"):
        await planned(**mount("image", source="none"))


async def test_the_driver_of_volumes_and_its_options() -> None:
    volumes = Volumes()
    config = VolumeOptions(labels={"a": "b"}, driver_config=VolumeDriverConfig(name="other", options={"o": "x"}))
    host = HostConfig(
        volume_driver="wide", binds=["aa:/a"], mounts=[Mount(type="volume", target="/b", volume_options=config)]
    )
    await plan(ContainerConfig(volumes={"/c": {}}), host, volumes, Around(), "c1")
    assert [(one.name, one.driver, one.options, one.labels) for one in volumes.wanted] == [
        ("aa", "wide", {}, {}),
        (None, "other", {"o": "x"}, {"a": "b"}),
        (None, "wide", {}, {}),
    ]
    assert warnings(host) == []
    assert "container-wide volume-driver" in warnings(HostConfig(volume_driver="x", **mount("volume")))[0]


def container(*mounts: MountRecord) -> Container:
    return Container(
        id="1" * 64,
        name="source",
        created=0,
        image="sha256:image",
        config=ContainerConfig(),
        host=HostConfig(),
        path="x",
        args=(),
        runtime="runc",
        mounts=mounts,
    )


async def test_mounts_of_another_container() -> None:
    source = container(
        *await planned(
            ContainerConfig(volumes={"/anonymous": {}}),
            binds=["/usr:/bind", "named:/named"],
            tmpfs={"/hidden": ""},
            mounts=[Mount(type="tmpfs", target="/own"), Mount(type="image", source="busybox", target="/image")],
        )
    )
    around = Around(source=source)

    async def borrowed(**host: Any) -> dict[str, MountRecord]:
        config = ContainerConfig(volumes={"/named": {}})
        found = await plan(config, HostConfig(**host), Volumes(), around, "c2")
        return {one.point.destination: one for one in found}

    found = await borrowed(volumes_from=["source"])
    assert set(found) == {"/anonymous", "/bind", "/named", "/image"}, "a tmpfs is its container's alone"
    assert (found["/named"].point.mode, found["/named"].point.rw, found["/named"].copy_up) == ("", True, False)
    assert found["/anonymous"].anonymous
    found = await borrowed(volumes_from=["source:ro"])
    assert [one.point.rw for one in found.values()] == [False] * 4
    assert to_oci([found["/bind"]], {})[0]["options"] == ["rbind", "rro", "rprivate"]
    found = await borrowed(volumes_from=["source"], binds=["/tmp:/named"])
    assert found["/named"].point.type == "bind", "its own mounts win"
