"""What has gone through the network interfaces of a process, without entering its network namespace."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counters:
    """Since the interface was made."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


def of_process(pid: int) -> dict[str, Counters]:
    """The counters by interface in the namespace of ``pid``; empty when it has ended."""
    try:
        with open(f"/proc/{pid}/net/dev", "rb", buffering=0) as file:
            return parse(file.readall().decode())
    except OSError:
        return {}


def parse(text: str) -> dict[str, Counters]:
    """``/proc/net/dev``: two lines of titles, then one an interface: eight columns of what came, eight of what went."""
    found = {}
    for line in text.splitlines()[2:]:
        # A name may hold a colon (an alias of old), the numbers do not.
        name, _, numbers = line.rpartition(":")
        values = list(map(int, numbers.split()))
        found[name.strip()] = Counters(*values[0:4], *values[8:12])
    return found
