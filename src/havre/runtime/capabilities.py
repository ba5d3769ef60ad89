"""Linux capabilities: Docker's default set, and what ``--cap-add``, ``--cap-drop`` and ``--privileged`` make of it."""

from collections.abc import Sequence
from pathlib import Path

from havre.errors import InvalidParameter

# In the order of their numbers (capability.h): the index is the bit.
NAMES = tuple(
    f"CAP_{name}"
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
    ]
)

DEFAULT = frozenset(
    f"CAP_{name}"
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    ]
)


def bounding(status: str | None = None) -> frozenset[str]:
    """The capabilities this process can hand on: its bounding set, from ``/proc/self/status`` or the text given."""
    text = status if status is not None else Path("/proc/self/status").read_text()
    bits = next(int(line.split()[1], 16) for line in text.splitlines() if line.startswith("CapBnd:"))
    return frozenset(name for bit, name in enumerate(NAMES) if bits >> bit & 1)


def normalise(name: str) -> str:
    """``net_admin``, ``NET_ADMIN`` and ``CAP_NET_ADMIN`` as the last; ``ALL`` stays. Unknown names:
    ``InvalidParameter``.
    """
    upper = name.strip().upper()
    if upper == "ALL":
        return upper
    full = upper if upper.startswith("CAP_") else f"CAP_{upper}"
    if full not in NAMES:
        raise InvalidParameter(f'invalid capability: "{name}"')
    return full


def resolve(
    add: Sequence[str] | None, drop: Sequence[str] | None, privileged: bool, limit: frozenset[str]
) -> list[str]:
    """The capabilities of a container, in kernel order, never more than ``limit``."""
    if privileged:
        return [name for name in NAMES if name in limit]
    added = {normalise(name) for name in add or ()}
    dropped = {normalise(name) for name in drop or ()}
    if "ALL" in added:
        chosen = set(NAMES) - dropped
    elif "ALL" in dropped:
        chosen = added
    else:
        chosen = (set(DEFAULT) - dropped) | added
    return [name for name in NAMES if name in chosen and name in limit]
