"""What this kernel and this daemon's configuration make of a container's ``HostConfig``: ``create`` comes in here.

What is wrong whatever the host is ``validate``'s; here are the limits and rights that depend on where we are.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from havre.engine.container import limits, security, sysctls
from havre.errors import InvalidParameter
from havre.kernel.cgroupdriver import CgroupDriver
from havre.kernel.cgrouplimits import Support
from havre.kernel.thermal import throttle_counters
from havre.runtime import capabilities, seccompprofiles
from havre.runtime.spec import MASKED_PATHS
from havre.wire.containers import HostConfig, Ulimit

_DEVICE_RULE = re.compile(r"[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}")
_BEYOND = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """``held`` are the capabilities the daemon itself has, and so the most a container can get. ``shm_size`` is bytes;
    ``ulimits`` are those of containers that do not name theirs.
    """

    kernel: Support
    driver: CgroupDriver
    held: frozenset[str]
    shm_size: int = 64 << 20
    ulimits: tuple[Ulimit, ...] = field(default=())

    def settle(self, host: HostConfig) -> tuple[HostConfig, list[str]]:
        """``host`` as the record keeps it: with defaults, without what this kernel cannot do; and the warnings.

        ``InvalidParameter`` with Docker's text for what nobody can do.
        """
        _capabilities("CapAdd", host.cap_add or (), self.held)
        _capabilities("CapDrop", host.cap_drop or (), self.held)
        if host.cgroup_parent:
            self.driver.check(host.cgroup_parent)
        options = security.parse(host.security_opt)
        if options.seccomp not in (None, "unconfined", "builtin"):
            seccompprofiles.parse(options.seccomp or "")
        if not -1000 <= host.oom_score_adj <= 1000:
            raise InvalidParameter(f"Invalid value {host.oom_score_adj}, range for oom score adj is [-1000, 1000]")
        _storage(host.storage_opt or {})
        for rule in host.device_cgroup_rules or ():
            _device_rule(rule)
        for device in host.devices or ():
            if set(device.cgroup_permissions) - set("rwm"):
                raise InvalidParameter(f"invalid device mode: {device.cgroup_permissions}")
        sysctls.check(host)
        for limit in host.ulimits or ():
            limits.check_ulimit(limit)
        return limits.settle(self._with_defaults(host), self.kernel)

    def _with_defaults(self, host: HostConfig) -> HostConfig:
        if host.shm_size < 0:
            raise InvalidParameter("SHM size can not be less than 0")
        named = {limit.name for limit in host.ulimits or ()}
        added = [limit for limit in self.ulimits if limit.name not in named]
        options = host.security_opt
        if host.privileged or "host" in (host.ipc_mode, host.pid_mode):
            # Of no effect without SELinux; clients see it all the same.
            options = [*(options or ()), "label=disable"]
        masked = host.masked_paths
        if masked is None and not host.privileged:
            masked = [*MASKED_PATHS, *throttle_counters()]
        swap = host.memory_swap
        if host.memory > 0 and not swap:
            # As much swap again as memory.
            swap = min(host.memory * 2, _BEYOND - 1)
        return msgspec.structs.replace(
            host,
            masked_paths=masked,
            security_opt=options,
            memory_swap=swap,
            shm_size=host.shm_size or self.shm_size,
            ulimits=[*(host.ulimits or ()), *added] if added else host.ulimits,
            oom_kill_disable=bool(host.oom_kill_disable),
            storage_opt=host.storage_opt or None,
        )


def _capabilities(field_name: str, words: Iterable[str], held: frozenset[str]) -> None:
    for word in words:
        name = word.strip().upper()
        if name == "ALL":
            continue
        name = name if name.startswith("CAP_") else f"CAP_{name}"
        if name not in capabilities.NAMES:
            raise InvalidParameter(f'invalid {field_name}: unknown capability: "{name}"')
        if name not in held:
            raise InvalidParameter(
                f"invalid {field_name}: capability not supported by your kernel or not available in the current "
                f'environment: "{name}"'
            )


def _storage(options: dict[str, str]) -> None:
    for name in options:
        if name.lower() != "size":
            raise InvalidParameter(f"Unknown option {name}")
    if options:
        raise InvalidParameter("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")


def _device_rule(rule: str) -> None:
    match = _DEVICE_RULE.fullmatch(rule)
    if match is None:
        raise InvalidParameter(f"invalid device cgroup rule format: '{rule}'")
    for which, number in (("major", match[1]), ("minor", match[2])):
        if number != "*" and int(number[:20]) >= _BEYOND:
            raise InvalidParameter(f"invalid {which} value in device cgroup rule format: '{rule}'")
