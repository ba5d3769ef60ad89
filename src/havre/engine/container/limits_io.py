"""What a container may use of block devices: its weight among others, and bytes or operations a second of a device."""

from typing import Any

from havre.errors import InvalidParameter
from havre.kernel.cgrouplimits import Support
from havre.wire.containers import HostConfig

_WEIGHTS = range(10, 1001)
_MOST_WEIGHT, _MOST_RATE = (1 << 16) - 1, (1 << 63) - 1

# The limit, what the kernel needs for it, what it is called, and what is said to be discarded.
_PER_DEVICE = (
    ("blkio_weight_device", "io_weight_device", "Block I/O weight_device", "Weight-device"),
    ("blkio_device_read_bps", "io_read_bps", "BPS Block I/O read limit", "Block I/O BPS read limit"),
    ("blkio_device_write_bps", "io_write_bps", "BPS Block I/O write limit", "Block I/O BPS write limit"),
    ("blkio_device_read_iops", "io_read_iops", "IOPS Block read limit", "Block I/O IOPS read limit"),
    ("blkio_device_write_iops", "io_write_iops", "IOPS Block write limit", "Block I/O IOPS write limit"),
)


def settle(host: HostConfig, kernel: Support, warnings: list[str]) -> None:
    """Check weights and rates of ``host``, and discard those the kernel has no file for."""
    _fits("BlkioWeight", host.blkio_weight, _MOST_WEIGHT)
    if host.blkio_weight and not kernel.io_weight:
        warnings.append("Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.")
        host.blkio_weight = 0
    if host.blkio_weight and host.blkio_weight not in _WEIGHTS:
        raise InvalidParameter("Range of blkio weight is from 10 to 1000")
    if host.io_maximum_bandwidth or host.io_maximum_iops:
        what = "bandwidth" if host.io_maximum_bandwidth else "IOPs"
        raise InvalidParameter(f"invalid option: QoS maximum {what} configuration is not supported on linux")
    for field, needed, name, discarded in _PER_DEVICE:
        limits: list[Any] = getattr(host, field) or []
        for limit in limits:
            _fits(f"{field}.{limit.path}", *_number(limit))
        if limits and not getattr(kernel, needed):
            warnings.append(f"Your kernel does not support {name} or the cgroup is not mounted. {discarded} discarded.")
            setattr(host, field, [])
    for weight in host.blkio_weight_device or ():
        if weight.weight not in _WEIGHTS:
            raise InvalidParameter(f"Range of blkio weight is from 10 to 1000, not {weight.weight} for {weight.path}")


def _number(limit: Any) -> tuple[int, int]:
    return (limit.weight, _MOST_WEIGHT) if hasattr(limit, "weight") else (limit.rate, _MOST_RATE)


def _fits(name: str, number: int, most: int) -> None:
    if not 0 <= number <= most:
        raise InvalidParameter(f"invalid JSON: json: cannot unmarshal number {number} into {name}: 0 to {most} fit")
