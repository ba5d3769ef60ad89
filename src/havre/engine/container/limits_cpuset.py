"""Sets of CPUs and memory nodes: ``0-3,5``, as the kernel writes them."""

import re

from havre.errors import InvalidParameter
from havre.kernel.cgrouplimits import Support
from havre.wire.containers import HostConfig

# The kernel's own bound on the number of CPUs; nobody counts further.
_MOST = 8192
_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")


def settle(host: HostConfig, kernel: Support, warnings: list[str]) -> None:
    """Check the sets of ``host`` against what there is, or discard them where the kernel has no sets."""
    if (host.cpuset_cpus or host.cpuset_mems) and not kernel.cpuset:
        warnings.append("Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.")
        host.cpuset_cpus = host.cpuset_mems = ""
    for kind, things, wanted, there in (
        ("cpus", "CPUs", host.cpuset_cpus, kernel.cpus),
        ("mems", "memory nodes", host.cpuset_mems, kernel.mems),
    ):
        try:
            missing = parse(wanted) - parse(there) if wanted else frozenset()
        except ValueError as error:
            raise InvalidParameter(f"Invalid value {wanted} for cpuset {kind}: {error}") from None
        if missing:
            raise InvalidParameter(f"Requested {things} are not available - requested {wanted}, available: {there}")


def parse(text: str) -> frozenset[int]:
    """The numbers in ``text``; ``ValueError`` says what is wrong with it."""
    numbers: set[int] = set()
    for part in text.split(",") if text else ():
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"invalid format: {text}")
        first, last = int(match[1][:10]), int((match[2] or match[1])[:10])
        if last > _MOST:
            raise ValueError(f"value of out range, maximum is {_MOST}")
        if first > last:
            raise ValueError(f"invalid format: {text}")
        numbers.update(range(first, last + 1))
    return frozenset(numbers)
