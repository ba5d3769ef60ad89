"""What ``docker info`` says of the host's limits and dangers: fields and warnings of what the kernel can and cannot do.

Pure but for ``security_options``. The words are dockerd's: people search for them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from havre.kernel import apparmor, hostinfo
from havre.kernel.cgrouplimits import Support

Json = dict[str, Any]

_MASK = "xxxxx:xxxxx"
_DANGER = "         Access to the remote API is equivalent to root access on the host."


def limits(support: Support, version: int) -> Json:
    """Which limits containers can have, by the API's names. ``version`` is that of the control groups."""
    fields: Json = {
        "MemoryLimit": support.memory,
        "SwapLimit": support.swap,
        "CpuCfsPeriod": support.cpu_quota,
        "CpuCfsQuota": support.cpu_quota,
        "CPUShares": support.cpu_shares,
        "CPUSet": support.cpuset,
        "PidsLimit": support.pids,
        "OomKillDisable": support.oom_kill_disable,
        "IPv4Forwarding": hostinfo.forwards_ipv4(),
        "CgroupVersion": str(version),
    }
    if version == 1 and support.kernel_tcp:
        fields["KernelMemoryTCP"] = True
    return fields


def warnings(support: Support, version: int, fields: Json, exposed: Iterable[tuple[str, bool]]) -> list[str]:
    """What is missing or dangerous. ``fields`` are those of ``limits``; ``exposed`` are the addresses that anybody on
    the network may use, and whether they are encrypted.
    """
    missing = (*_missing_limits(support, version), *_missing_io(support, version))
    found = [*_open_doors(exposed), *(f"WARNING: No {what} support" for what in missing)]
    if not fields["IPv4Forwarding"]:
        found.append("WARNING: IPv4 forwarding is disabled")
    return found


def security_options(profile: str, no_new_privileges: bool, private_cgroups: bool) -> list[str]:
    """What confines containers by default. ``profile`` is the seccomp profile's name or path, "" for the built-in."""
    options = []
    if apparmor.enabled():
        options.append("name=apparmor")
    if hostinfo.has_seccomp():
        options.append(f"name=seccomp,profile={profile or 'builtin'}")
    if private_cgroups and hostinfo.has_cgroup_namespaces():
        options.append("name=cgroupns")
    if no_new_privileges:
        options.append("name=no-new-privileges")
    return options


def masked(url: str) -> str:
    """A proxy's URL as everybody may see it: without its user and password."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    authority, slash, path = rest.partition("/")
    _, at, host = authority.rpartition("@")
    return f"{scheme}{separator}{_MASK}@{host}{slash}{path}" if at else url


def _open_doors(exposed: Iterable[tuple[str, bool]]) -> Iterator[str]:
    for address, encrypted in exposed:
        if encrypted:
            yield f"WARNING: API is accessible on https://{address} without TLS client verification.\n{_DANGER}"
        else:
            yield f"WARNING: API is accessible on http://{address} without encryption.\n{_DANGER}"


def _missing_limits(support: Support, version: int) -> Iterator[str]:
    old = version == 1
    if not support.memory:
        yield "memory limit"
    if not support.swap:
        yield "swap limit"
    if old and not support.kernel_tcp:
        yield "kernel memory TCP limit"
    if old and not support.oom_kill_disable:
        yield "oom kill disable"
    if not support.cpu_quota:
        yield "cpu cfs quota"
        yield "cpu cfs period"
    if not support.cpu_shares:
        yield "cpu shares"
    if not support.cpuset:
        yield "cpuset"


def _missing_io(support: Support, version: int) -> Iterator[str]:
    if version == 2:
        # Kernels since 5.0 have no weights on v1, and there is nothing a user can do about it.
        if not support.io_weight:
            yield "io.weight"
        if not support.io_weight_device:
            yield "io.weight (per device)"
    limits = (
        (support.io_read_bps, "rbps", "read_bps"),
        (support.io_write_bps, "wbps", "write_bps"),
        (support.io_read_iops, "riops", "read_iops"),
        (support.io_write_iops, "wiops", "write_iops"),
    )
    for there, new, old in limits:
        if not there:
            yield f"io.max ({new})" if version == 2 else f"blkio throttle.{old}_device"
