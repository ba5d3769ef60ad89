"""What old API versions sent and expect, quirk by quirk."""

import ast
import copy
from pathlib import Path
from typing import Any

import pytest

from havre.api import compat
from havre.errors import InvalidParameter
from havre.wire.containers import (
    BindOptions,
    ContainerConfig,
    EndpointSettings,
    HealthConfig,
    HostConfig,
    ImageOptions,
    Mount,
    NetworkingConfig,
    TmpfsOptions,
    VolumeOptions,
)

REPOSITORY = Path(__file__).parent.parent.parent.parent
NEWEST = (1, 51)


def create(
    version: tuple[int, ...],
    config: ContainerConfig | None = None,
    host: HostConfig | None = None,
    endpoints: dict[str, EndpointSettings | None] | None = None,
) -> tuple[ContainerConfig, HostConfig, NetworkingConfig, list[str]]:
    """Adapt a create request; all parts, and the warnings."""
    config, host = config or ContainerConfig(), host or HostConfig()
    networking = NetworkingConfig(endpoints_config=endpoints)
    return config, host, networking, compat.adapt_create(version, config, host, networking)


def test_every_quirk_is_on_the_page() -> None:
    page = (REPOSITORY / "docs" / "compat.md").read_text()
    tree = ast.parse(Path(compat.__file__).read_text())
    lists = ("_CONTAINER_SUMMARY", "_CONTAINER", "_IMAGE_SUMMARY", "_IMAGE", "_INFO", "_DISK_USAGE")
    quirks = {quirk.__name__: before for name in lists for before, quirk in getattr(compat, name)}
    assert len(quirks) > 15
    for name, before in quirks.items():
        assert f"| {before[0]}.{before[1] - 1} | `{name}` |" in page, name
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    named = {word for word in page.split("`")[1::2] if word.startswith(("_", "adapt_"))}
    assert named <= functions


@pytest.mark.parametrize("mode", ["", "default", "bridge"])
def test_default_network(mode: str) -> None:
    endpoint = EndpointSettings(aliases=["a"])
    _, host, networking, _ = create(NEWEST, host=HostConfig(network_mode=mode), endpoints={"default": endpoint})
    assert host.network_mode == "bridge"
    wanted = {"default": endpoint} if mode == "bridge" else {"bridge": endpoint}
    assert networking.endpoints_config == wanted


@pytest.mark.parametrize(
    ("version", "field", "value", "before", "after"),
    [
        ((1, 25), "auto_remove", True, False, True),
        ((1, 42), "console_size", [24, 80], None, [24, 80]),
        ((1, 43), "annotations", {"a": "b"}, None, {"a": "b"}),
    ],
)
def test_fields_that_came_later(version: tuple[int, int], field: str, value: Any, before: Any, after: Any) -> None:
    older = (version[0], version[1] - 1)
    for asked, expected in ((older, before), (version, after)):
        _, host, _, _ = create(asked, host=HostConfig(**{field: copy.copy(value)}))
        assert getattr(host, field) == expected


@pytest.mark.parametrize(("limit", "expected"), [(None, None), (0, None), (-1, None), (-5, None), (7, 7)])
def test_pids_limit(limit: int | None, expected: int | None) -> None:
    assert create(NEWEST, host=HostConfig(pids_limit=limit))[1].pids_limit == expected


def test_update_of_the_pids_limit() -> None:
    assert compat.adapt_update((1, 39), {"Memory": 1, "PidsLimit": 5, "pidslimit": 5}) == {"Memory": 1}
    assert compat.adapt_update((1, 40), {"PidsLimit": 5}) == {"PidsLimit": 5}


def test_start_interval() -> None:
    for version, expected in (((1, 43), 0), ((1, 44), 9)):
        config = ContainerConfig(healthcheck=HealthConfig(start_interval=9))
        create(version, config)
        assert config.healthcheck is not None and config.healthcheck.start_interval == expected


def test_several_networks() -> None:
    endpoints: dict[str, EndpointSettings | None] = {"a": None, "b": None}
    create((1, 44), host=HostConfig(network_mode="a"), endpoints=dict(endpoints))
    with pytest.raises(InvalidParameter, match="Container cannot be created with multiple network endpoints: a, b"):
        create((1, 43), host=HostConfig(network_mode="a"), endpoints=dict(endpoints))


def mount(version: tuple[int, ...], **fields: Any) -> Mount:
    """One mount, adapted."""
    made = Mount(target="/x", **fields)
    create(version, host=HostConfig(mounts=[made]))
    return made


def test_options_of_another_type() -> None:
    foreign = {"volume_options": VolumeOptions(), "tmpfs_options": TmpfsOptions()}
    adapted = mount((1, 41), type="bind", bind_options=BindOptions(), **foreign)
    assert adapted.volume_options is None and adapted.tmpfs_options is None and adapted.bind_options is not None
    for name, options in {
        "VolumeOptions": {"volume_options": VolumeOptions()},
        "TmpfsOptions": {"tmpfs_options": TmpfsOptions()},
        "ImageOptions": {"image_options": ImageOptions()},
    }.items():
        with pytest.raises(InvalidParameter, match=f'{name} must not be specified on mount type "bind"'):
            mount((1, 42), type="bind", **options)


def test_bind_options_that_came_later() -> None:
    def options() -> BindOptions:
        return BindOptions(non_recursive=True, create_mountpoint=True)

    old = mount((1, 39), type="bind", bind_options=options()).bind_options
    assert old is not None and not old.non_recursive and not old.create_mountpoint and old.read_only_non_recursive
    middle = mount((1, 43), type="bind", bind_options=options()).bind_options
    assert middle is not None and middle.non_recursive and middle.create_mountpoint and middle.read_only_non_recursive
    new = mount((1, 44), type="bind", bind_options=options()).bind_options
    assert new is not None and not new.read_only_non_recursive
    with pytest.raises(InvalidParameter, match="ReadOnlyForceRecursive needs API"):
        mount((1, 43), type="bind", bind_options=BindOptions(read_only_force_recursive=True))


def test_mounts_that_came_later() -> None:
    with pytest.raises(InvalidParameter, match="Subpath needs API"):
        mount((1, 44), type="volume", volume_options=VolumeOptions(subpath="a"))
    mount((1, 45), type="volume", volume_options=VolumeOptions(subpath="a"))
    with pytest.raises(InvalidParameter, match='Mount type "Image" needs API'):
        mount((1, 47), type="image")
    mount((1, 48), type="image")


MAC = "02:42:ac:11:00:09"


def test_mac_of_the_container() -> None:
    _, _, networking, warnings = create((1, 43), ContainerConfig(mac_address=MAC))
    assert networking.endpoints_config is not None and not warnings
    endpoint = networking.endpoints_config["bridge"]
    assert endpoint is not None and endpoint.mac_address == MAC
    config, _, networking, warnings = create((1, 44), ContainerConfig(mac_address=MAC))
    assert networking.endpoints_config is not None
    endpoint = networking.endpoints_config["bridge"]
    assert endpoint is not None and endpoint.mac_address == MAC and config.mac_address == ""
    assert warnings == [
        "The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."
    ]


def test_mac_of_an_endpoint_in_old_versions() -> None:
    endpoint = EndpointSettings(mac_address=MAC)
    create((1, 43), endpoints={"bridge": endpoint})
    assert endpoint.mac_address == ""
    endpoint = EndpointSettings(mac_address=MAC)
    create((1, 44), endpoints={"bridge": endpoint})
    assert endpoint.mac_address == MAC


def test_two_macs() -> None:
    with pytest.raises(InvalidParameter, match="must match the endpoint-specific MAC address"):
        create(NEWEST, ContainerConfig(mac_address=MAC), endpoints={"bridge": EndpointSettings(mac_address="x")})
    with pytest.raises(InvalidParameter, match="must match the identity of a network"):
        create(NEWEST, ContainerConfig(mac_address=MAC), endpoints={"other": EndpointSettings()})


@pytest.mark.parametrize("mode", ["host", "none", "container:x"])
def test_a_mac_without_a_network(mode: str) -> None:
    with pytest.raises(InvalidParameter, match="mac-address"):
        create((1, 43), ContainerConfig(mac_address=MAC), HostConfig(network_mode=mode))
    assert create((1, 44), ContainerConfig(mac_address=MAC), HostConfig(network_mode=mode))[3]


def test_sysctls_of_an_interface() -> None:
    given = {"net.ipv4.conf.eth0.forwarding": "1", "kernel.shmmax": "2"}
    _, host, networking, warnings = create((1, 46), host=HostConfig(sysctls=dict(given)))
    assert host.sysctls == {"kernel.shmmax": "2"} and networking.endpoints_config is not None
    endpoint = networking.endpoints_config["bridge"]
    moved = "net.ipv4.conf.IFNAME.forwarding=1"
    assert endpoint is not None and endpoint.driver_opts == {"com.docker.network.endpoint.sysctls": moved}
    assert len(warnings) == 1 and "Migrated sysctl" in warnings[0]
    with pytest.raises(InvalidParameter, match="must be supplied using driver option"):
        create((1, 47), host=HostConfig(sysctls=dict(given)))
    with pytest.raises(InvalidParameter, match="unable to determine network endpoint"):
        create((1, 46), host=HostConfig(sysctls={"net.ipv4.conf.eth1.forwarding": "1"}))


CONTAINER: dict[str, Any] = {
    "Id": "0123456789abcdef",
    "ImageManifestDescriptor": {},
    "Config": {"Hostname": "0123456789ab"},
    "HostConfig": {"NetworkMode": "net", "Annotations": {"a": "b"}},
    "NetworkSettings": {"Networks": {"net": {"MacAddress": MAC, "Aliases": None, "DNSNames": ["x"]}}},
}
IMAGE: dict[str, Any] = {"RepoTags": [], "RepoDigests": [], "Size": 5, "Descriptor": {}, "Containers": 2, "Config": {}}
INFO: dict[str, Any] = {
    "Runtimes": {"runc": {"path": "runc", "status": {}}},
    "Containerd": {},
    "FirewallBackend": {},
    "RuncCommit": {"ID": "abc"},
    "RegistryConfig": {"Mirrors": []},
}


@pytest.mark.parametrize(
    ("adapt", "document"),
    [(compat.container, CONTAINER), (compat.image, IMAGE), (compat.info, INFO), (compat.disk_usage, {"Images": []})],
)
def test_the_newest_version_is_as_the_engine_says(adapt: Any, document: dict[str, Any]) -> None:
    assert adapt(NEWEST, document) == document


def test_the_engine_s_own_documents_stay_as_they_are() -> None:
    for adapt, document in ((compat.container, CONTAINER), (compat.image, IMAGE), (compat.info, INFO)):
        before = copy.deepcopy(document)
        adapt((1, 24), document)
        assert document == before
    rows = [copy.deepcopy(CONTAINER)]
    compat.container_list((1, 24), rows)
    assert rows == [CONTAINER]


def test_containers_of_old() -> None:
    old = compat.container((1, 43), CONTAINER)
    endpoint = old["NetworkSettings"]["Networks"]["net"]
    assert "ImageManifestDescriptor" not in old and "DNSNames" not in endpoint
    assert endpoint["Aliases"] == ["0123456789ab"] and old["Config"]["MacAddress"] == MAC
    (row,) = compat.container_list((1, 45), [CONTAINER])
    assert row["HostConfig"] == {"NetworkMode": "net"} and "ImageManifestDescriptor" not in row
    assert compat.container((1, 47), CONTAINER)["NetworkSettings"] == CONTAINER["NetworkSettings"]


def test_images_of_old() -> None:
    (row,) = compat.image_list((1, 42), [IMAGE])
    assert row["RepoTags"] == ["<none>:<none>"] and row["RepoDigests"] == ["<none>@<none>"]
    assert row["VirtualSize"] == 5 and row["Containers"] == -1 and "Descriptor" not in row
    assert compat.image_list((1, 50), [IMAGE])[0]["Containers"] == -1
    old = compat.image((1, 43), IMAGE)
    assert old["VirtualSize"] == 5 and old["Created"] == "0001-01-01T00:00:00Z"
    assert old["ContainerConfig"]["Hostname"] == "" and old["Config"]["Tty"] is False
    assert "Tty" not in compat.image((1, 50), IMAGE)["Config"]


def test_info_of_old() -> None:
    old = compat.info((1, 43), INFO)
    assert old["Runtimes"] == {"runc": {"path": "runc"}} and "Containerd" not in old and "FirewallBackend" not in old
    assert old["RuncCommit"] == {"ID": "abc", "Expected": "abc"} and old["BridgeNfIptables"] is False
    assert old["RegistryConfig"]["AllowNondistributableArtifactsCIDRs"] is None


def test_disk_usage_of_old() -> None:
    usage = {"LayersSize": 0, "Images": [IMAGE], "Containers": [CONTAINER]}
    old = compat.disk_usage((1, 41), usage)
    assert old["BuilderSize"] == 0 and old["Images"][0]["VirtualSize"] == 5
    assert old["Images"][0]["Containers"] == IMAGE["Containers"] >= 0
    assert "ImageManifestDescriptor" not in old["Containers"][0]


def test_events_of_old() -> None:
    event = {"Type": "image", "Action": "create"}
    assert compat.event_wanted((1, 46), event) and not compat.event_wanted((1, 45), event)
    assert compat.event_wanted((1, 24), {"Type": "container", "Action": "create"})
