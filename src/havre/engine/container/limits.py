"""What a container may use of memory, CPU and processes: which values are refused, and which limits are discarded with
a warning because this kernel cannot set them. The words are dockerd's, by which clients know them.

``settle`` comes in at create and at update. Block devices stand in ``limits_io``, sets of CPUs in ``limits_cpuset``.
"""

import os

import msgspec

from havre.engine.container import limits_cpuset, limits_io
from havre.errors import InvalidParameter
from havre.kernel.cgrouplimits import Support
from havre.wire.containers import HostConfig, Ulimit

_MINIMUM_MEMORY = 6 * 1024 * 1024
_LEAST_SHARES, _MOST_SHARES = 2, 262144
_MOST_PIDS = 4194304
_ULIMITS = frozenset(
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()
)


def settle(host: HostConfig, kernel: Support, *, update: bool = False) -> tuple[HostConfig, list[str]]:
    """``host`` without the limits that ``kernel`` cannot set, and the warnings that say so.

    ``InvalidParameter`` for values no kernel takes, and for pairs that contradict each other.
    """
    host = msgspec.structs.replace(host)
    warnings: list[str] = []
    _memory(host, kernel, warnings, update)
    _out_of_memory(host, kernel, warnings)
    if host.pids_limit is not None and not kernel.pids:
        if host.pids_limit > 0:
            warnings.append(_lacks("PIDs limit capabilities", "PIDs limit"))
        host.pids_limit = None
    if (host.pids_limit or 0) > _MOST_PIDS:
        raise InvalidParameter(f"invalid PIDs limit {host.pids_limit}: the maximum is {_MOST_PIDS}")
    _cpu(host, kernel, warnings)
    _realtime(host, kernel)
    limits_cpuset.settle(host, kernel, warnings)
    limits_io.settle(host, kernel, warnings)
    return host, warnings


def _lacks(what: str, discarded: str = "Limitation") -> str:
    return f"Your kernel does not support {what} or the cgroup is not mounted. {discarded} discarded."


def _memory(host: HostConfig, kernel: Support, warnings: list[str], update: bool) -> None:
    if host.memory and host.memory < _MINIMUM_MEMORY:
        raise InvalidParameter("Minimum memory limit allowed is 6MB")
    if host.memory and not kernel.memory:
        warnings.append(_lacks("memory limit capabilities"))
        host.memory, host.memory_swap = 0, -1
    if host.memory and host.memory_swap != -1 and not kernel.swap:
        warnings.append(
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
            "Memory limited without swap."
        )
        host.memory_swap = -1
    if 0 < host.memory_swap < host.memory:
        raise InvalidParameter("Minimum memoryswap limit should be larger than memory limit, see usage")
    if not host.memory and host.memory_swap > 0 and not update:
        raise InvalidParameter("You should always set the Memory limit when using Memoryswap limit, see usage")
    if host.memory_reservation > 0 and not kernel.reservation:
        warnings.append(_lacks("memory soft limit capabilities"))
        host.memory_reservation = 0
    if 0 < host.memory_reservation < _MINIMUM_MEMORY:
        raise InvalidParameter("Minimum memory reservation allowed is 6MB")
    if 0 < host.memory < host.memory_reservation:
        raise InvalidParameter("Minimum memory limit can not be less than memory reservation limit, see usage")


def _out_of_memory(host: HostConfig, kernel: Support, warnings: list[str]) -> None:
    if host.memory_swappiness == -1:
        # How clients without a word for "not given" say it.
        host.memory_swappiness = None
    if host.memory_swappiness is not None and not kernel.swappiness:
        warnings.append(_lacks("memory swappiness capabilities", "Memory swappiness"))
        host.memory_swappiness = None
    if host.memory_swappiness is not None and not 0 <= host.memory_swappiness <= 100:
        raise InvalidParameter(f"Invalid value: {host.memory_swappiness}, valid memory swappiness range is 0-100")
    if host.oom_kill_disable is not None and not kernel.oom_kill_disable:
        if host.oom_kill_disable:
            warnings.append("Your kernel does not support OomKillDisable. OomKillDisable discarded.")
        host.oom_kill_disable = None
    if host.oom_kill_disable and not host.memory:
        warnings.append(
            "OOM killer is disabled for the container, but no memory limit is set, "
            "this can result in the system running out of resources."
        )


def _cpu(host: HostConfig, kernel: Support, warnings: list[str]) -> None:
    if host.nano_cpus > 0 and (host.cpu_period > 0 or host.cpu_quota > 0):
        other = "CPU Period" if host.cpu_period > 0 else "CPU Quota"
        raise InvalidParameter(f"Conflicting options: Nano CPUs and {other} cannot both be set")
    if host.nano_cpus > 0 and not kernel.cpu_quota:
        raise InvalidParameter(
            "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted"
        )
    cpus = os.cpu_count() or 1
    # Less than a hundredth comes to a quota that the kernel refuses, or to none.
    if host.nano_cpus and not 10**7 <= host.nano_cpus <= cpus * 10**9:
        raise InvalidParameter(f"range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available")
    if host.cpu_shares < 0:
        raise InvalidParameter(f"invalid CPU shares ({host.cpu_shares}): value must be a positive integer")
    if host.cpu_shares and not kernel.cpu_shares:
        warnings.append(_lacks("CPU shares", "Shares"))
        host.cpu_shares = 0
    if host.cpu_shares and not _LEAST_SHARES <= host.cpu_shares <= _MOST_SHARES:
        kind, bound = ("minimum", _LEAST_SHARES) if host.cpu_shares < _LEAST_SHARES else ("maximum", _MOST_SHARES)
        raise InvalidParameter(f"the {kind} allowed cpu-shares is {bound}")
    if (host.cpu_period or host.cpu_quota) and not kernel.cpu_quota:
        warnings.append("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.")
        host.cpu_period = host.cpu_quota = 0
    if host.cpu_period and not 1000 <= host.cpu_period <= 1_000_000:
        raise InvalidParameter("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < host.cpu_quota < 1000:
        raise InvalidParameter("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    if host.cpu_percent > 0:
        warnings.append("linux does not support CPU percent. Percent discarded.")
        host.cpu_percent = 0


def _realtime(host: HostConfig, kernel: Support) -> None:
    period, runtime = host.cpu_realtime_period, host.cpu_realtime_runtime
    if (period or runtime) and not kernel.cpu_realtime:
        raise InvalidParameter("kernel does not support CPU real-time scheduler")
    if period and runtime > period:
        raise InvalidParameter("cpu real-time runtime cannot be higher than cpu real-time period")


def check_ulimit(limit: Ulimit) -> None:
    """Refuse what the kernel, asked by the runtime at start, would refuse with a number for a name."""
    if limit.name.lower() not in _ULIMITS:
        raise InvalidParameter(f"invalid ulimit type: {limit.name}")
    if limit.hard >= 0 and not 0 <= limit.soft <= limit.hard:
        raise InvalidParameter(
            f"ulimit soft limit must be less than or equal to hard limit: {limit.soft} > {limit.hard}"
        )
