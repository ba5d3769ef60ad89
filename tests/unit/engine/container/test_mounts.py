"""What becomes of -v, --mount, --tmpfs and the image's volumes."""

from pathlib import Path
from typing import Any

import pytest

from havre.engine.container.mounts import WantedVolume, plan, to_oci
from havre.engine.container.record import MountRecord
from havre.errors import InvalidParameter, Unsupported
from havre.wire.containers import BindOptions, ContainerConfig, HostConfig, Mount, TmpfsOptions, VolumeOptions


class Volumes:
    """Makes up a volume for every wish."""

    def __init__(self) -> None:
        self.wanted: list[WantedVolume] = []

    async def for_container(self, wanted: WantedVolume) -> tuple[str, str, Path]:
        self.wanted.append(wanted)
        name = wanted.name or "anonymous"
        return name, wanted.driver, Path("/volumes") / name

    async def discard_made_for(self, container_id: str) -> None: ...


async def planned(config: ContainerConfig | None = None, **host: Any) -> tuple[MountRecord, ...]:
    return await plan(config or ContainerConfig(), HostConfig(**host), Volumes())


async def test_a_bind(tmp_path: Path) -> None:
    (mount,) = await planned(binds=[f"{tmp_path}/new:/data:ro"])
    assert (mount.point.type, mount.point.destination, mount.point.rw, mount.point.mode) == (
        "bind",
        "/data",
        False,
        "ro",
    )
    assert (tmp_path / "new").is_dir(), "-v makes a missing source, as Docker does"
    assert to_oci([mount])[0]["options"] == ["rbind", "rro", "rprivate"]


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
    assert to_oci([bind])[0]["options"] == ["rbind", "rro", "rshared"]
    assert to_oci([tmpfs])[0]["options"] == ["noexec", "nosuid", "nodev", "size=4096", "mode=700"]
    assert (volume.point.name, volume.copy_up) == ("vol", False)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"binds": ["/a:b"]}, "must be absolute"),
        ({"binds": ["/a:/"]}, "can't be '/'"),
        ({"binds": ["/a:/b:ro,rw"]}, "invalid mode"),
        ({"binds": ["/a:/b:nocopy"]}, "invalid mode"),
        ({"binds": ["a/b:/c"]}, "invalid characters"),
        ({"binds": ["aa:/c", "bb:/c/"]}, "Duplicate mount point: /c"),
        ({"binds": ["a:b:c:d"]}, "invalid volume specification"),
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


async def test_types_not_there_yet() -> None:
    with pytest.raises(Unsupported, match="image"):
        await planned(mounts=[Mount(type="image", source="x", target="/x")])
