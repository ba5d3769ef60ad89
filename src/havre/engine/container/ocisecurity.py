"""How a container is held: its devices, limits and system calls, from its record to the OCI configuration."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from havre.engine.container import security
from havre.kernel import abis, apparmor
from havre.runtime import capabilities, devicerequests, devices, resources, seccomp, seccompprofiles
from havre.runtime.cdi import Specifications
from havre.wire.containers import HostConfig

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_UNCONFINED = "unconfined"


def architecture() -> str:
    """The host's architecture by Go's name."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


@dataclass(frozen=True, slots=True)
class SecurityDefaults:
    """What the daemon's configuration says of containers that do not speak of it. ``seccomp`` is the text of a
    profile, "unconfined", or empty for the built-in one.
    """

    no_new_privileges: bool = False
    seccomp: str = ""


class Confinement:
    """Knows what this host can hold back; asked once for each process or container."""

    def __init__(self, defaults: SecurityDefaults, specifications: Specifications) -> None:
        self._defaults = defaults
        self._specifications = specifications
        self._limit = capabilities.bounding()
        self._architecture = architecture()
        self._missing = abis.missing()

    def capabilities(self, host: HostConfig, privileged: bool = False) -> list[str]:
        """What a process may hold; ``privileged`` is an exec's own wish."""
        return capabilities.resolve(host.cap_add, host.cap_drop, host.privileged or privileged, self._limit)

    def no_new_privileges(self, host: HostConfig) -> bool:
        """Whether set-user-id programs stay without effect."""
        asked = security.parse(host.security_opt).no_new_privileges
        return self._defaults.no_new_privileges if asked is None else asked

    def label(self, host: HostConfig, process: dict[str, Any]) -> None:
        """Give ``process`` its AppArmor profile, where the kernel has any: the one asked for, else Docker's own if
        somebody has loaded it.
        """
        if not apparmor.enabled():
            return
        default = _UNCONFINED if host.privileged or not apparmor.loaded(apparmor.DEFAULT) else apparmor.DEFAULT
        process["apparmorProfile"] = security.parse(host.security_opt).apparmor or default

    def devices(self, host: HostConfig) -> tuple[list[dict[str, Any]], list[str]]:
        """The device nodes the container gets, and what it may do with each."""
        nodes, accesses = devices.requested(host.devices or ())
        if host.privileged:
            present = {node["path"] for node in nodes}
            nodes += [node for node in devices.all_host_devices() if node["path"] not in present]
            accesses = ["rwm"] * len(nodes)
        return nodes, accesses

    def resources(self, host: HostConfig, nodes: list[dict[str, Any]], accesses: list[str]) -> dict[str, Any]:
        """The limits of its cgroup."""
        rules = devices.rules(host.privileged, nodes, accesses, host.device_cgroup_rules or ())
        return {**resources.linux_resources(host), "devices": rules}

    def finish(self, host: HostConfig, spec: dict[str, Any]) -> None:
        """Complete the configuration ``spec`` in place: AppArmor, the mode of the control groups' mount, and the
        devices asked for by name or number.
        """
        self.label(host, spec["process"])
        mode = "rw" if _writable_cgroups(host) else "ro"
        for mount in spec["mounts"]:
            if mount["type"] == "cgroup":
                mount["options"] = [mode, *(word for word in mount["options"] if word not in ("ro", "rw"))]
        devicerequests.fulfil(host.device_requests or (), self._specifications, spec)

    def seccomp(self, host: HostConfig, held: Sequence[str]) -> dict[str, Any] | None:
        """The system calls a process that holds these capabilities may use; None for all."""
        asked = security.parse(host.security_opt).seccomp
        if asked == _UNCONFINED or (host.privileged and asked is None):
            return None
        profile = self._defaults.seccomp if asked is None else asked
        if profile == _UNCONFINED:
            return None
        if profile in ("", "builtin"):
            return seccomp.profile(held, self._architecture, self._missing)
        return seccompprofiles.resolve(profile, held, self._architecture)


def _writable_cgroups(host: HostConfig) -> bool:
    """Whether the container may write below ``/sys/fs/cgroup``: as asked, else only a privileged one."""
    asked = security.parse(host.security_opt).writable_cgroups
    return host.privileged if asked is None else asked


def rlimits(host: HostConfig) -> list[dict[str, Any]]:
    """The container's ulimits."""
    limits = []
    for ulimit in host.ulimits or ():
        top = (1 << 64) - 1
        limits.append(
            {
                "type": f"RLIMIT_{ulimit.name.upper()}",
                "soft": ulimit.soft if ulimit.soft >= 0 else top,
                "hard": ulimit.hard if ulimit.hard >= 0 else top,
            }
        )
    return limits
