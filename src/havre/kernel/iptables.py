"""The filter tables of iptables-legacy, which nftables does not show. Read only; the network room comes in."""

import subprocess
from pathlib import Path

_TABLES = {"ip": ("ip_tables_names", "iptables-legacy"), "ip6": ("ip6_tables_names", "ip6tables-legacy")}
_PATIENCE = 5.0


def legacy_rules(family: str) -> str:
    """The filter table of ``ip`` or ``ip6`` as ``iptables -S`` prints it; "" if there is none, or nobody to ask.

    Of the network namespace of the calling thread. A table that was never used is not made by asking.
    """
    names, program = _TABLES[family]
    try:
        if "filter" not in Path("/proc/thread-self/net", names).read_text().split():
            return ""
        done = subprocess.run([program, "-S"], capture_output=True, text=True, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
