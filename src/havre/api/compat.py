"""Requests by version: what API 1.24 to 1.55 mean by what they send, in the words of 1.51, which the engine knows.

Each quirk is one function, named after it, with a line in ``docs/compat.md``. Requests are changed in place before they
reach the engine. What answers look like by version is in ``havre.api.answers``.
"""

from typing import Any

from havre.errors import InvalidParameter
from havre.wire.containers import ContainerConfig, EndpointSettings, HostConfig, Mount, NetworkingConfig

Version = tuple[int, ...]
Json = dict[str, Any]

_DEVICE_RULES = frozenset(
    (
        *("blkioweightdevice", "blkiodevicereadbps", "blkiodevicewritebps"),
        *("blkiodevicereadiops", "blkiodevicewriteiops"),
    )
)
_SYSCTLS = "com.docker.network.endpoint.sysctls"


def adapt_create(
    version: Version, config: ContainerConfig, host: HostConfig, networking: NetworkingConfig
) -> list[str]:
    """Make a create request of ``version`` one of 1.51; returns warnings for the client."""
    _name_default_network(host, networking)
    if version < (1, 25):
        # The client removed its containers itself.
        host.auto_remove = False
    if version < (1, 40):
        host.ipc_mode = host.ipc_mode or "shareable"
    if version < (1, 42):
        host.console_size = None
    if version < (1, 43):
        host.annotations = None
    if version < (1, 44):
        _one_network_only(networking)
        if config.healthcheck is not None:
            config.healthcheck.start_interval = 0
    for mount in host.mounts or ():
        _adapt_mount(version, mount)
    warnings = _empty_port_bindings(version, host)
    warnings += _container_wide_mac(version, config, host, networking)
    warnings += _container_wide_sysctls(version, host, networking)
    if host.pids_limit is not None and host.pids_limit <= 0:
        host.pids_limit = None
    return warnings


def adapt_update(version: Version, document: Json) -> Json:
    """``PidsLimit`` of an update counts since 1.40, the rules for single devices since 1.55."""
    ignored: set[str] = set()
    if version < (1, 40):
        ignored.add("pidslimit")
    if version < (1, 55):
        ignored |= _DEVICE_RULES
    return {key: value for key, value in document.items() if key.lower() not in ignored}


def _name_default_network(host: HostConfig, networking: NetworkingConfig) -> None:
    """``default`` and nothing mean the bridge, in the mode and among the endpoints."""
    if host.network_mode in ("", "default"):
        host.network_mode = "bridge"
        endpoints = networking.endpoints_config or {}
        if "default" in endpoints:
            endpoints["bridge"] = endpoints.pop("default")


def _one_network_only(networking: NetworkingConfig) -> None:
    if len(names := networking.endpoints_config or {}) > 1:
        raise InvalidParameter(f"Container cannot be created with multiple network endpoints: {', '.join(names)}")


def _adapt_mount(version: Version, mount: Mount) -> None:
    if version < (1, 42):
        _drop_foreign_options(mount)
    else:
        _refuse_foreign_options(mount)
    if (bind := mount.bind_options) is not None:
        if version < (1, 40):
            bind.non_recursive = False
        if version < (1, 42):
            bind.create_mountpoint = False
        if version < (1, 44):
            if bind.read_only_force_recursive:
                raise InvalidParameter("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer")
            bind.read_only_non_recursive = mount.read_only
    if version < (1, 45) and mount.volume_options is not None and mount.volume_options.subpath:
        raise InvalidParameter("VolumeOptions.Subpath needs API v1.45 or newer")
    if version < (1, 48) and mount.type == "image":
        raise InvalidParameter('Mount type "Image" needs API v1.48 or newer')


def _drop_foreign_options(mount: Mount) -> None:
    if mount.type != "volume":
        mount.volume_options = None
    if mount.type != "tmpfs":
        mount.tmpfs_options = None
    if mount.type != "bind":
        mount.bind_options = None


def _refuse_foreign_options(mount: Mount) -> None:
    for name, options, type in (
        ("VolumeOptions", mount.volume_options, "volume"),
        ("BindOptions", mount.bind_options, "bind"),
        ("TmpfsOptions", mount.tmpfs_options, "tmpfs"),
        ("ImageOptions", mount.image_options, "image"),
    ):
        if options is not None and mount.type != type:
            raise InvalidParameter(f'{name} must not be specified on mount type "{mount.type}"')


def _empty_port_bindings(version: Version, host: HostConfig) -> list[str]:
    """A port without bindings got one on any host port; since 1.53 it gets none."""
    empty = [port for port, bindings in (host.port_bindings or {}).items() if not bindings]
    if not empty or version < (1, 52):
        return []
    if version >= (1, 53):
        host.port_bindings = {port: bindings for port, bindings in (host.port_bindings or {}).items() if bindings}
        return []
    return [
        f"Following container port(s) have an empty list of port-bindings: {', '.join(empty)}. Starting with API 1.53, "
        "such bindings will be discarded."
    ]


def _container_wide_mac(
    version: Version, config: ContainerConfig, host: HostConfig, networking: NetworkingConfig
) -> list[str]:
    """Since 1.44 a MAC address belongs to an endpoint, since 1.52 only there; before, the container had one."""
    if version >= (1, 52):
        config.mac_address = ""
    mac = config.mac_address
    has_network = host.network_mode not in ("host", "none") and not host.network_mode.startswith("container:")
    if not mac:
        if version < (1, 44):
            for endpoint in (networking.endpoints_config or {}).values():
                if endpoint is not None:
                    endpoint.mac_address = ""
        return []
    if not has_network and version < (1, 44):
        raise InvalidParameter("conflicting options: mac-address and the network mode")
    if has_network:
        endpoint = _main_endpoint(version, host, networking)
        if endpoint.mac_address not in ("", mac) and version >= (1, 44):
            raise InvalidParameter(
                "the container-wide MAC address must match the endpoint-specific MAC address for the main network, "
                "or be left empty"
            )
        endpoint.mac_address = mac
    if version < (1, 44):
        return []
    config.mac_address = ""
    return ["The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."]


def _container_wide_sysctls(version: Version, host: HostConfig, networking: NetworkingConfig) -> list[str]:
    """Sysctls of an interface belong to its endpoint; up to 1.46 those of eth0 are moved there."""
    moved: dict[str, str] = {}
    for name, value in (host.sysctls or {}).items():
        parts = name.split(".", 4)
        if len(parts) < 5 or parts[0] != "net" or not parts[3].startswith("eth"):
            continue
        if version > (1, 46):
            raise InvalidParameter(
                f"interface specific sysctl setting \"{name}\" must be supplied using driver option '{_SYSCTLS}'"
            )
        if parts[3] != "eth0":
            raise InvalidParameter(
                f"unable to determine network endpoint for sysctl {name}, use driver option '{_SYSCTLS}' "
                "to set per-interface sysctls"
            )
        moved[name] = f"net.{parts[1]}.{parts[2]}.IFNAME.{parts[4]}={value}"
    if not moved:
        return []
    endpoint = _main_endpoint(version, host, networking)
    options = endpoint.driver_opts = dict(endpoint.driver_opts or {})
    new = ",".join(moved.values())
    options[_SYSCTLS] = ",".join(filter(None, (new, options.get(_SYSCTLS))))
    host.sysctls = {name: value for name, value in (host.sysctls or {}).items() if name not in moved}
    return [f'Migrated sysctl "{",".join(moved)}" to DriverOpts{{"{_SYSCTLS}":"{new}"}}.']


def _main_endpoint(version: Version, host: HostConfig, networking: NetworkingConfig) -> EndpointSettings:
    """The endpoint of the network the container's mode names, made if there is none at all."""
    endpoints = networking.endpoints_config = networking.endpoints_config or {}
    name = next(iter(endpoints)) if endpoints and version < (1, 44) else host.network_mode
    if endpoints and name not in endpoints:
        raise InvalidParameter(
            "HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks"
        )
    endpoint = endpoints[name] = endpoints.get(name) or EndpointSettings()
    return endpoint
