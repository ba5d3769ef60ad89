"""Old clients: what API versions 1.24 to 1.50 sent and expected where 1.51 differs. The engine knows only 1.51.

Each quirk is one function, named after it, with a line in ``docs/compat.md``; the lists at the end of each part say for
which versions it applies. Requests are changed in place before they reach the engine, answers on their way out.
"""

from collections.abc import Callable, Iterable
from typing import Any

from havre.errors import InvalidParameter
from havre.wire.containers import ContainerConfig, EndpointSettings, HostConfig, Mount, NetworkingConfig

Version = tuple[int, ...]
Json = dict[str, Any]
Quirk = Callable[[Json], None]

_SYSCTLS = "com.docker.network.endpoint.sysctls"

# --- create -----------------------------------------------------------------------------------------------------------


def adapt_create(
    version: Version, config: ContainerConfig, host: HostConfig, networking: NetworkingConfig
) -> list[str]:
    """Make a create request of ``version`` one of 1.51; returns warnings for the client."""
    _name_default_network(host, networking)
    if version < (1, 25):
        # The client removed its containers itself.
        host.auto_remove = False
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
    warnings = _container_wide_mac(version, config, host, networking)
    warnings += _container_wide_sysctls(version, host, networking)
    if host.pids_limit is not None and host.pids_limit <= 0:
        host.pids_limit = None
    return warnings


def adapt_update(version: Version, document: Json) -> Json:
    """``PidsLimit`` of an update counts since 1.40."""
    return {key: value for key, value in document.items() if version >= (1, 40) or key.lower() != "pidslimit"}


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
            bind.read_only_non_recursive = True
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


def _container_wide_mac(
    version: Version, config: ContainerConfig, host: HostConfig, networking: NetworkingConfig
) -> list[str]:
    """Since 1.44 a MAC address belongs to an endpoint; before, the container had one."""
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


# --- answers ----------------------------------------------------------------------------------------------------------


def container_list(version: Version, found: list[Json]) -> list[Json]:
    return _each(found, version, _CONTAINER_SUMMARY)


def container(version: Version, found: Json) -> Json:
    return _adapt(found, version, _CONTAINER)


def image_list(version: Version, found: list[Json]) -> list[Json]:
    return _each(found, version, _IMAGE_SUMMARY)


def image(version: Version, found: Json) -> Json:
    return _adapt(found, version, _IMAGE)


def info(version: Version, found: Json) -> Json:
    return _adapt(found, version, _INFO)


def event_wanted(version: Version, event: Json) -> bool:
    """Images tell of their creation since 1.46."""
    return version >= (1, 46) or (event["Type"], event["Action"]) != ("image", "create")


def disk_usage(version: Version, found: Json) -> Json:
    usage = _adapt(found, version, _DISK_USAGE)
    if usage.get("Images"):
        usage["Images"] = _each(usage["Images"], version, _IMAGE_USAGE)
    if usage.get("Containers"):
        usage["Containers"] = container_list(version, usage["Containers"])
    return usage


def _no_manifest_descriptor(found: Json) -> None:
    found.pop("ImageManifestDescriptor", None)


def _no_annotations(found: Json) -> None:
    if "Annotations" in (host := found.get("HostConfig", {})):
        found["HostConfig"] = {key: value for key, value in host.items() if key != "Annotations"}


def _no_dns_names(found: Json) -> None:
    for endpoint in _endpoints(found):
        endpoint.pop("DNSNames", None)


def _short_id_among_aliases(found: Json) -> None:
    for name, endpoint in zip(_network_names(found), _endpoints(found), strict=True):
        if name not in ("bridge", "host", "none"):
            names = (*(endpoint.get("Aliases") or ()), found["Id"][:12], found["Config"]["Hostname"])
            endpoint["Aliases"] = list(dict.fromkeys(names))


def _mac_of_container(found: Json) -> None:
    mac = next((endpoint.get("MacAddress") for endpoint in _endpoints(found) if endpoint.get("MacAddress")), "")
    found["Config"] = {**found["Config"], "MacAddress": mac}


def _network_names(found: Json) -> Iterable[str]:
    return (found.get("NetworkSettings", {}).get("Networks") or {}).keys()


def _endpoints(found: Json) -> Iterable[Json]:
    return (found.get("NetworkSettings", {}).get("Networks") or {}).values()


def _none_for_untagged(found: Json) -> None:
    if not found.get("RepoTags") and not found.get("RepoDigests"):
        found["RepoTags"], found["RepoDigests"] = ["<none>:<none>"], ["<none>@<none>"]


def _virtual_size(found: Json) -> None:
    found["VirtualSize"] = found["Size"]


def _no_descriptor(found: Json) -> None:
    found.pop("Descriptor", None)


def _containers_unknown(found: Json) -> None:
    found["Containers"] = -1


def _zero_creation_time(found: Json) -> None:
    found["Created"] = found.get("Created") or "0001-01-01T00:00:00Z"


def _container_of_image(found: Json) -> None:
    found.setdefault("Container", "")
    found.setdefault("ContainerConfig", dict(_EMPTY_IMAGE_CONFIG))


def _container_fields_of_image(found: Json) -> None:
    found["Config"] = {**_CONTAINER_FIELDS, **(found.get("Config") or {})}


def _no_runtime_status(found: Json) -> None:
    found["Runtimes"] = {
        name: {key: value for key, value in runtime.items() if key != "status"}
        for name, runtime in (found.get("Runtimes") or {}).items()
    }


def _no_containerd(found: Json) -> None:
    found.pop("Containerd", None)


def _nondistributable_artifacts(found: Json) -> None:
    found["RegistryConfig"] = {
        "AllowNondistributableArtifactsCIDRs": None,
        "AllowNondistributableArtifactsHostnames": None,
        **(found.get("RegistryConfig") or {}),
    }


def _no_firewall_backend(found: Json) -> None:
    found.pop("FirewallBackend", None)


def _expected_commits(found: Json) -> None:
    for key in ("ContainerdCommit", "RuncCommit", "InitCommit"):
        commit = found.get(key) or {"ID": ""}
        found[key] = {**commit, "Expected": commit["ID"]}


def _bridge_nf_flags(found: Json) -> None:
    found.pop("DiscoveredDevices", None)
    found["BridgeNfIptables"] = found["BridgeNfIp6tables"] = False


def _builder_size(found: Json) -> None:
    found["BuilderSize"] = 0


# Config members that images had before 1.50 because they shared the type with containers.
_CONTAINER_FIELDS: Json = {
    "Hostname": "",
    "Domainname": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Image": "",
}
_EMPTY_IMAGE_CONFIG: Json = {
    **_CONTAINER_FIELDS,
    "User": "",
    "Env": None,
    "Cmd": None,
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}

# Each quirk applies to versions older than the one in front of it.
_CONTAINER_SUMMARY: tuple[tuple[Version, Quirk], ...] = (
    ((1, 44), _no_dns_names),
    ((1, 46), _no_annotations),
    ((1, 48), _no_manifest_descriptor),
)
_CONTAINER: tuple[tuple[Version, Quirk], ...] = (
    ((1, 44), _no_dns_names),
    ((1, 44), _mac_of_container),
    ((1, 45), _short_id_among_aliases),
    ((1, 48), _no_manifest_descriptor),
)
_IMAGE_USAGE: tuple[tuple[Version, Quirk], ...] = (
    ((1, 43), _none_for_untagged),
    ((1, 44), _virtual_size),
    ((1, 48), _no_descriptor),
)
_IMAGE_SUMMARY: tuple[tuple[Version, Quirk], ...] = (*_IMAGE_USAGE, ((1, 51), _containers_unknown))
_IMAGE: tuple[tuple[Version, Quirk], ...] = (
    ((1, 44), _virtual_size),
    ((1, 44), _zero_creation_time),
    ((1, 45), _container_of_image),
    ((1, 48), _no_descriptor),
    ((1, 50), _container_fields_of_image),
)
_INFO: tuple[tuple[Version, Quirk], ...] = (
    ((1, 44), _no_runtime_status),
    ((1, 46), _no_containerd),
    ((1, 47), _nondistributable_artifacts),
    ((1, 49), _no_firewall_backend),
    ((1, 49), _expected_commits),
    ((1, 50), _bridge_nf_flags),
)
_DISK_USAGE: tuple[tuple[Version, Quirk], ...] = (((1, 42), _builder_size),)


def _adapt(found: Json, version: Version, quirks: tuple[tuple[Version, Quirk], ...]) -> Json:
    """A copy of ``found`` with the quirks of ``version``; ``found`` itself when there are none: 1.51 costs nothing."""
    needed = [quirk for before, quirk in quirks if version < before]
    if not needed:
        return found
    adapted = dict(found)
    if "NetworkSettings" in adapted:
        settings = adapted["NetworkSettings"] = dict(adapted["NetworkSettings"])
        if settings.get("Networks"):
            settings["Networks"] = {name: dict(endpoint) for name, endpoint in settings["Networks"].items()}
    for quirk in needed:
        quirk(adapted)
    return adapted


def _each(found: list[Json], version: Version, quirks: tuple[tuple[Version, Quirk], ...]) -> list[Json]:
    if not any(version < before for before, _ in quirks):
        return found
    return [_adapt(item, version, quirks) for item in found]
