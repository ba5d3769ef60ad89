"""Files that tell one container what the others make the processors do."""

from pathlib import Path


def throttle_counters(root: Path = Path("/sys/devices/system/cpu")) -> tuple[str, ...]:
    """The directories that count how often each processor was slowed for its heat; none in most virtual machines."""
    return tuple(sorted(str(path) for path in root.glob("cpu[0-9]*/thermal_throttle")))
