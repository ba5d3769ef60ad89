"""What a container may use: memory, CPU, block devices, processes, as ``HostConfig`` says it."""

import os
import re

from havre.errors import InvalidParameter
from havre.wire.containers import HostConfig

_MINIMUM_MEMORY = 6 * 1024 * 1024
_CPU_LIST = re.compile(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*")
_ULIMITS = frozenset(
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()
)


def check(host: HostConfig) -> None:
    """Refuse values no kernel can take and pairs that contradict each other, with Docker's texts."""
    _cpus(host)
    if 0 < host.memory < _MINIMUM_MEMORY:
        raise InvalidParameter("Minimum memory limit allowed is 6MB")
    if host.memory_swap > 0 and not host.memory:
        raise InvalidParameter("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < host.memory_swap < host.memory:
        raise InvalidParameter("Minimum memoryswap limit should be larger than memory limit, see usage")
    if 0 < host.memory < host.memory_reservation:
        raise InvalidParameter("Minimum memory limit can not be less than memory reservation limit, see usage")
    if host.memory_swappiness is not None and not -1 <= host.memory_swappiness <= 100:
        raise InvalidParameter(f"Invalid value: {host.memory_swappiness}, valid memory swappiness range is 0-100")
    if host.shm_size < 0:
        raise InvalidParameter("SHM size can not be less than 0")
    if not -1000 <= host.oom_score_adj <= 1000:
        raise InvalidParameter(f"Invalid value {host.oom_score_adj}, range for oom score adj is [-1000, 1000]")
    if host.blkio_weight and not 10 <= host.blkio_weight <= 1000:
        raise InvalidParameter("Range of blkio weight is from 10 to 1000")
    for limit in host.ulimits or ():
        if limit.name not in _ULIMITS:
            raise InvalidParameter(f"invalid ulimit type: {limit.name}")
        if limit.soft > limit.hard >= 0:
            raise InvalidParameter(
                f"ulimit soft limit must be less than or equal to hard limit: {limit.soft} > {limit.hard}"
            )


def _cpus(host: HostConfig) -> None:
    if host.nano_cpus and (host.cpu_period or host.cpu_quota):
        other = "CPU Period" if host.cpu_period else "CPU Quota"
        raise InvalidParameter(f"Conflicting options: Nano CPUs and {other} cannot both be set")
    cpus = os.cpu_count() or 1
    if host.nano_cpus and not 10**7 <= host.nano_cpus <= cpus * 10**9:
        raise InvalidParameter(f"range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available")
    if host.cpu_period and not 1000 <= host.cpu_period <= 1_000_000:
        raise InvalidParameter("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if host.cpu_shares < 0:
        raise InvalidParameter(f"invalid CPU shares: {host.cpu_shares}")
    if 0 < host.cpu_quota < 1000:
        raise InvalidParameter("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    for kind, numbers in (("cpus", host.cpuset_cpus), ("mems", host.cpuset_mems)):
        if numbers and not _CPU_LIST.fullmatch(numbers):
            raise InvalidParameter(f"Invalid value {numbers} for cpuset {kind}")
