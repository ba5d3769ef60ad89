"""A container's network namespace: made before its first process, gone after its last.

The namespace is bind-mounted at ``<exec root>/netns/<container id>``: the mount is the record of it.
"""

import logging
import os
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from havre.kernel import namespaces
from havre.kernel.netlink import NetlinkError
from havre.kernel.rtnetlink import LOOPBACK_INDEX, Rtnetlink, default_route_add, link_up

log = logging.getLogger(__name__)

# As Docker sets them for a container with a network of its own: every user may ping and bind ports below 1024; and no
# IPv6 on interfaces to come: one that gets an address of it has it switched on (the loopback keeps ::1).
_SYSCTLS = (
    ("net/ipv4/ping_group_range", "0 2147483647"),
    ("net/ipv4/ip_unprivileged_port_start", "0"),
    ("net/ipv6/conf/default/disable_ipv6", "1"),
)


def create(path: Path) -> None:
    """Make the namespace, its loopback up; one already at ``path`` (of a start that crashed) is given up. Blocks."""
    if path.exists():
        namespaces.remove(path)
    namespaces.create(path, _prepare)


def _prepare() -> None:
    for name, value in _SYSCTLS:
        try:
            namespaces.write_sysctl(name, value)
        except FileNotFoundError:
            continue  # a kernel without IPv6
    with Rtnetlink() as netlink:
        netlink.execute(link_up(LOOPBACK_INDEX))


def route(path: Path, ways: Iterable[tuple[str, str]]) -> None:
    """Let default routes lead to these gateways on these interfaces, as far as the container has left those alone.
    Blocks.
    """
    with namespaces.enter(path, Rtnetlink) as netlink:
        for interface, gateway in ways:
            link = netlink.link(interface)
            if link is None:
                continue
            try:
                netlink.execute(default_route_add(link.index, ip_address(gateway)))
            except NetlinkError as error:
                log.warning("no default route through %s on %s of %s: %s", gateway, interface, path.name, error)


def remove(path: Path) -> None:
    """Give the namespace up; what is inside goes with it. Blocks, for microseconds: the kernel works on afterwards."""
    namespaces.remove(path)


def alive(path: Path) -> bool:
    """Whether a namespace is mounted at ``path``: after a reboot there is none, even if the file has survived."""
    try:
        return os.stat(path).st_dev != os.stat(path.parent).st_dev
    except FileNotFoundError:
        return False


def existing(directory: Path) -> list[str]:
    """The container ids that have a namespace (or the remains of one) in ``directory``."""
    return sorted(entry.name for entry in directory.iterdir()) if directory.exists() else []
