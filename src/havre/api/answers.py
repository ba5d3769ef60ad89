"""Answers by version: what API 1.24 to 1.55 show where the engine's own documents, those of 1.51, differ.

Each quirk is one function, named after it, with a line in ``docs/compat.md``; the tables below the quirks say for which
versions it applies. What the engine says is never changed: the answer is a copy.
"""

from collections.abc import Callable, Iterable
from typing import Any

from havre.api.diskusage import usage_summaries

Version = tuple[int, ...]
Json = dict[str, Any]
Quirk = Callable[[Json], None]
Quirks = tuple[tuple[Version, Quirk], ...]


def container_list(version: Version, found: list[Json]) -> list[Json]:
    return _each(found, version, _CONTAINER_SUMMARY)


def container(version: Version, found: Json) -> Json:
    return _adapt(found, version, _CONTAINER, _CONTAINER_SINCE)


def image_list(version: Version, found: list[Json]) -> list[Json]:
    return _each(found, version, _IMAGE_SUMMARY)


def image(version: Version, found: Json) -> Json:
    return _adapt(found, version, _IMAGE, _IMAGE_SINCE)


def network(version: Version, found: Json) -> Json:
    return _adapt(found, version, _NETWORK)


def info(version: Version, found: Json) -> Json:
    return _adapt(found, version, _INFO, _INFO_SINCE)


def stats(version: Version, found: Json) -> Json:
    return _adapt(found, version, (), _STATS_SINCE)


def event(version: Version, found: Json) -> Json | None:
    """The event as ``version`` tells it; None when it does not."""
    if version < (1, 46) and (found["Type"], found["Action"]) == ("image", "create"):
        return None
    return _adapt(found, version, (), _EVENT_SINCE)


def disk_usage(version: Version, found: Json, verbose: bool = False) -> Json:
    """``system df``. Since 1.52 it has sums and, if ``verbose``, the objects below them; before, the objects alone."""
    usage = dict(found)
    if usage.get("Images"):
        usage["Images"] = _each(usage["Images"], version, _IMAGE_USAGE)
    if usage.get("Containers"):
        usage["Containers"] = container_list(version, usage["Containers"])
    if version < (1, 52):
        return usage
    summed = usage_summaries(usage, verbose)
    # Both, for clients that ask for the newest version whatever it is: docker-py does.
    return summed if verbose else {**usage, **summed}


def _no_manifest_descriptor(found: Json) -> None:
    found.pop("ImageManifestDescriptor", None)


def _no_annotations(found: Json) -> None:
    if "Annotations" in (host := found.get("HostConfig", {})):
        found["HostConfig"] = {key: value for key, value in host.items() if key != "Annotations"}


def _short_id_among_aliases(found: Json) -> None:
    for name, endpoint in zip(_network_names(found), _endpoints(found), strict=True):
        if name not in ("bridge", "host", "none"):
            names = (*(endpoint.get("Aliases") or ()), found["Id"][:12], found["Config"]["Hostname"])
            endpoint["Aliases"] = list(dict.fromkeys(names))


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


def _no_health(found: Json) -> None:
    found.pop("Health", None)


def _no_status(found: Json) -> None:
    found.pop("Status", None)


def _no_bridge_address(found: Json) -> None:
    for name in _BRIDGE_ADDRESS:
        found.get("NetworkSettings", {}).pop(name, None)


def _no_mac_of_container(found: Json) -> None:
    if "MacAddress" in found.get("Config", {}):
        found["Config"] = {key: value for key, value in found["Config"].items() if key != "MacAddress"}


def _no_empty_on_build(found: Json) -> None:
    if "Config" in found:
        found["Config"] = {key: value for key, value in found["Config"].items() if key != "OnBuild" or value}


def _no_empty_image_fields(found: Json) -> None:
    for name in ("Parent", "Comment", "DockerVersion", "Author"):
        if not found.get(name, True):
            del found[name]
    config = found.get("Config") or {}
    found["Config"] = {key: value for key, value in config.items() if value or key not in _EMPTY_IMAGE_CONFIG}


def _no_kernel_memory_tcp(found: Json) -> None:
    found.pop("KernelMemoryTCP", None)


def _os_type(found: Json) -> None:
    found["os_type"] = "linux"


def _no_old_event_fields(found: Json) -> None:
    for name in ("status", "id", "from"):
        found.pop(name, None)


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
        if (commit := found.get(key) or {}).get("ID"):
            found[key] = {**commit, "Expected": commit["ID"]}


def _kernel_memory(found: Json) -> None:
    # Kernels have both or none.
    found["KernelMemory"] = found.get("KernelMemoryTCP", False)


def _plain_security_options(found: Json) -> None:
    options = found.get("SecurityOptions") or ()
    found["SecurityOptions"] = [option.partition(",")[0].removeprefix("name=") for option in options]


def _bridge_nf_flags(found: Json) -> None:
    found.pop("DiscoveredDevices", None)
    found["BridgeNfIptables"] = found["BridgeNfIp6tables"] = False


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

# What the settings of a container told of the default bridge, which has been among its networks for long.
_BRIDGE_ADDRESS = frozenset(
    (
        *("Bridge", "HairpinMode", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "MacAddress"),
        *("IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen"),
        *("LinkLocalIPv6Address", "LinkLocalIPv6PrefixLen", "SecondaryIPAddresses", "SecondaryIPv6Addresses"),
    )
)

# Each quirk applies to versions older than the one in front of it; in the tables called "since", to that one and newer.
_CONTAINER_SUMMARY: Quirks = (
    ((1, 46), _no_annotations),
    ((1, 48), _no_manifest_descriptor),
    ((1, 52), _no_health),
)
_CONTAINER: Quirks = (
    ((1, 45), _short_id_among_aliases),
    ((1, 48), _no_manifest_descriptor),
)
_CONTAINER_SINCE: Quirks = (
    ((1, 52), _no_bridge_address),
    ((1, 52), _no_mac_of_container),
    ((1, 52), _no_empty_on_build),
)
_IMAGE_USAGE: Quirks = (
    ((1, 43), _none_for_untagged),
    ((1, 44), _virtual_size),
    ((1, 48), _no_descriptor),
)
_IMAGE_SUMMARY: Quirks = (*_IMAGE_USAGE, ((1, 51), _containers_unknown))
_IMAGE: Quirks = (
    ((1, 44), _virtual_size),
    ((1, 44), _zero_creation_time),
    ((1, 45), _container_of_image),
    ((1, 48), _no_descriptor),
    ((1, 50), _container_fields_of_image),
)
_IMAGE_SINCE: Quirks = (((1, 52), _no_empty_image_fields),)
_NETWORK: Quirks = (((1, 52), _no_status),)
_EVENT_SINCE: Quirks = (((1, 52), _no_old_event_fields),)
_INFO_SINCE: Quirks = (((1, 52), _no_kernel_memory_tcp),)
_STATS_SINCE: Quirks = (((1, 52), _os_type),)
_INFO: Quirks = (
    ((1, 25), _plain_security_options),
    ((1, 42), _kernel_memory),
    ((1, 44), _no_runtime_status),
    ((1, 46), _no_containerd),
    ((1, 47), _nondistributable_artifacts),
    ((1, 49), _no_firewall_backend),
    ((1, 49), _expected_commits),
    ((1, 50), _bridge_nf_flags),
)


def _adapt(found: Json, version: Version, older: Quirks, newer: Quirks = ()) -> Json:
    """A copy of ``found`` with the quirks of ``version``; ``found`` itself when there are none: 1.51 costs nothing."""
    needed = [quirk for before, quirk in older if version < before]
    needed += [quirk for since, quirk in newer if version >= since]
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


def _each(found: list[Json], version: Version, quirks: Quirks) -> list[Json]:
    if not any(version < before for before, _ in quirks):
        return found
    return [_adapt(item, version, quirks) for item in found]
