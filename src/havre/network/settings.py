"""The daemon's network options, as ``daemon/config`` reads them."""

from dataclasses import dataclass
from ipaddress import IPv4Interface

from havre.network.ipam import BasePool


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """``bip`` is the default bridge's own address and its network's size; None picks a private network free here.

    ``firewall`` False (``--iptables=false``) leaves nftables and the global sysctls alone: no masquerading, no
    published ports; ``firewall6`` False (``--ip6tables=false``) does so for IPv6 alone. ``icc`` False forbids traffic
    between containers of the default bridge. ``honest``: published ports obey the host's own input rules. ``host_ip``
    is where a port is published that names no address. ``pools`` are what subnets nobody chose are cut from; () means
    our own, of which the IPv6 range depends on ``seed``.
    """

    bridge_name: str = "havre0"
    bip: IPv4Interface | None = None
    firewall: bool = True
    firewall6: bool = True
    icc: bool = True
    honest: bool = False
    mtu: int = 1500
    host_ip: str = "0.0.0.0"
    pools: tuple[BasePool, ...] = ()
    seed: str = ""
