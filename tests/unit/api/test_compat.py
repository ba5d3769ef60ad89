"""What requests of each API version mean, quirk by quirk."""

import copy
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
    PortBinding,
    TmpfsOptions,
    VolumeOptions,
)

NEWEST = (1, 51)
"""What the engine knows."""


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


def test_update_of_the_rules_for_single_devices() -> None:
    update = {"BlkioWeight": 5, "BlkioDeviceReadBps": [], "blkioweightdevice": []}
    assert compat.adapt_update((1, 54), update) == {"BlkioWeight": 5}
    assert compat.adapt_update((1, 55), update) == update


def test_ports_without_bindings() -> None:
    for version, kept, warned in (((1, 51), True, False), ((1, 52), True, True), ((1, 53), False, False)):
        bindings = {"80/tcp": [], "81/tcp": [PortBinding(host_port="5")]}
        _, host, _, warnings = create(version, host=HostConfig(port_bindings=bindings))
        assert host.port_bindings is not None and ("80/tcp" in host.port_bindings) is kept
        assert "81/tcp" in host.port_bindings and bool(warnings) is warned


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
    assert old is not None and not old.non_recursive and not old.create_mountpoint and not old.read_only_non_recursive
    middle = mount((1, 43), type="bind", read_only=True, bind_options=options()).bind_options
    assert middle is not None and middle.non_recursive and middle.create_mountpoint and middle.read_only_non_recursive
    new = mount((1, 44), type="bind", bind_options=options()).bind_options
    assert new is not None and not new.read_only_non_recursive
    with pytest.raises(InvalidParameter, match="ReadOnlyForceRecursive needs API"):
        mount((1, 43), type="bind", bind_options=BindOptions(read_only_force_recursive=True))


@pytest.mark.parametrize(("version", "mode"), [((1, 39), "shareable"), ((1, 40), "")])
def test_ipc_mode(version: tuple[int, int], mode: str) -> None:
    assert create(version)[1].ipc_mode == mode
    assert create(version, host=HostConfig(ipc_mode="host"))[1].ipc_mode == "host"


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


def test_a_mac_of_the_container_is_gone() -> None:
    config, _, networking, warnings = create((1, 52), ContainerConfig(mac_address=MAC))
    assert not config.mac_address and not networking.endpoints_config and not warnings


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
