"""The kinds of networks there are."""

from concurrent.futures import Executor

from havre.kernel.namespaces import read_sysctl
from havre.kernel.nftables import Nftables
from havre.lib.tasks import TaskOwner
from havre.network.driver import Driver
from havre.network.drivers.bridge import BridgeDriver
from havre.network.drivers.host import HostDriver
from havre.network.drivers.none import NoneDriver
from havre.network.drivers.sublink import SublinkDriver
from havre.network.ports import PortLedger
from havre.network.settings import NetworkSettings
from havre.network.tables import Tables


def builtin_drivers(settings: NetworkSettings, executor: Executor, tasks: TaskOwner) -> list[Driver]:
    """All drivers of this package. Raises ``Unavailable`` when a firewall is wanted and its library is missing."""
    first, last = read_sysctl("net/ipv4/ip_local_port_range").split()
    ports = PortLedger((int(first), int(last)))
    tables = Tables(Nftables(), executor, tasks) if settings.firewall else None
    beside = [SublinkDriver(name, settings, executor) for name in ("macvlan", "ipvlan")]
    return [BridgeDriver(settings, executor, tables, ports, tasks), HostDriver(), NoneDriver(), *beside]
