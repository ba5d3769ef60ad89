"""How a container is held: its devices, limits and system calls, from its record to the OCI configuration."""

import platform
from collections.abc import Sequence
from typing import Any

from havre.engine.container import security
from havre.kernel import abis
from havre.runtime import capabilities, devices, resources, seccomp
from havre.wire.containers import HostConfig

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """The host's architecture by Go's name."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


class Confinement:
    """Knows what this host can hold back; asked once for each process or container."""

    def __init__(self) -> None:
        self._limit = capabilities.bounding()
        self._architecture = architecture()
        self._missing = abis.missing()

    def capabilities(self, host: HostConfig, privileged: bool = False) -> list[str]:
        """What a process may hold; ``privileged`` is an exec's own wish."""
        return capabilities.resolve(host.cap_add, host.cap_drop, host.privileged or privileged, self._limit)

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
        return {**resources.linux_resources(host), "devices": devices.rules(host.privileged, nodes, accesses)}

    def seccomp(self, host: HostConfig, held: Sequence[str]) -> dict[str, Any] | None:
        """The system calls a process that holds these capabilities may use; None for all."""
        wanted = option(host, "seccomp")
        if wanted == "unconfined" or (host.privileged and wanted is None):
            return None
        if wanted is None or wanted == "builtin":
            return seccomp.profile(held, self._architecture, self._missing)
        return seccomp.custom(wanted, held, self._architecture)


def option(host: HostConfig, name: str) -> str | None:
    """The value of a security option, the last given; None when it is not given."""
    value = None
    for text in host.security_opt or ():
        key, given = security.parse(text)
        if key == name:
            value = given
    return value


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
