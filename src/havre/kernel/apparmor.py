"""AppArmor, where the kernel has it: whether it is on, and which profiles it knows."""

from functools import cache
from pathlib import Path

DEFAULT = "docker-default"
"""The profile Docker loads for its containers."""

_SWITCH = Path("/sys/module/apparmor/parameters/enabled")
_PROFILES = Path("/sys/kernel/security/apparmor/profiles")


@cache
def enabled() -> bool:
    """Whether the kernel confines programs by AppArmor profiles."""
    try:
        return _SWITCH.read_text().startswith("Y")
    except OSError:
        return False


def loaded(name: str) -> bool:
    """Whether the kernel knows the profile called ``name``."""
    try:
        lines = _PROFILES.read_text().splitlines()
    except OSError:
        return False
    return any(line.rpartition(" (")[0] == name for line in lines)
