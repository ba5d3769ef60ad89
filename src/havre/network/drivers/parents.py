"""What macvlan and ipvlan networks are told by ``-o``, and their parent interfaces. The words are Docker's.

A parent that is not there is made and belongs to the network: ``eth0.10`` is the VLAN 10 of eth0; without any parent
a dummy, which leads nowhere, so that the network's containers reach each other alone.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass

from havre.errors import InvalidParameter, SystemFault, Unavailable
from havre.kernel import sublinks
from havre.kernel.netlink import NetlinkError
from havre.kernel.rtnetlink import LOOPBACK_INDEX, Rtnetlink, link_delete, link_up

PARENT = "parent"
KERNEL_OPTIONS = {
    "macvlan": "CONFIG_MACVLAN",
    "ipvlan": "CONFIG_IPVLAN",
    "l3s": "CONFIG_IPVLAN_L3S",
    "dummy": "CONFIG_DUMMY",
    "vlan": "CONFIG_VLAN_8021Q",
}
_LOOPBACK = "lo"


@dataclass(frozen=True, slots=True)
class ParentOptions:
    """``parent`` "" is for a dummy; ``flag`` is ipvlan's alone."""

    parent: str
    mode: str
    flag: str = "bridge"

    @property
    def routed(self) -> bool:
        """The kernel routes between containers and parent: there is no gateway on their link."""
        return self.mode in ("l3", "l3s")


def read(driver: str, options: Mapping[str, str]) -> ParentOptions:
    """The options of one network. ``InvalidParameter`` in Docker's words."""
    parent = options.get(PARENT, "")
    if parent == _LOOPBACK:
        raise InvalidParameter(f"loopback interface is not a valid {driver} parent link")
    if driver == "macvlan":
        return ParentOptions(parent, _choice(driver, "mode", options, sublinks.MACVLAN_MODES, "bridge"))
    mode = _choice(driver, "mode", options, sublinks.IPVLAN_MODES, "l2")
    return ParentOptions(parent, mode, _choice(driver, "flag", options, sublinks.IPVLAN_FLAGS, "bridge"))


def _choice(driver: str, what: str, options: Mapping[str, str], known: Mapping[str, int], default: str) -> str:
    found = options.get(f"{driver}_{what}", "") or default
    if found not in known:
        ending = f"'{default}' {what} is the {driver} driver default"
        if what == "flag":
            ending = f"'{default}' is the {driver} driver default"
        raise InvalidParameter(f"requested {driver} {what} '{found}' is not valid, {ending}")
    return found


def dummy_name(network_id: str, driver: str) -> str:
    """What Docker calls the parent of a network that has none."""
    return f"{'dm' if driver == 'macvlan' else 'di'}-{network_id[:12]}"


def kind_to_make(parent: str, dummy: bool) -> str:
    """ "" if there is such an interface, else of which kind it is to be made. Refuses what cannot be. Blocks."""
    with Rtnetlink() as netlink:
        link = netlink.link(parent)
        if link is not None:
            if link.index == LOOPBACK_INDEX:
                raise InvalidParameter("loopback interface is not a valid parent link")
            return ""
        if dummy:
            return "dummy"
        upper, tag = vlan(parent)
        if netlink.link(upper) is None:
            raise InvalidParameter(f"-o parent interface was not found on the host: {upper}")
    if not 1 <= tag <= 4094:
        raise InvalidParameter(f"vlan id must be between 1-4094, received: {tag}")
    return "vlan"


def vlan(name: str) -> tuple[str, int]:
    """The interface and the tag in ``eth0.10``."""
    parts = name.split(".")
    if len(parts) == 1:
        raise InvalidParameter(f"invalid subinterface vlan name {name}, example formatting is eth0.10")
    if len(parts) > 2:
        raise InvalidParameter(
            f"required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received {name}"
        )
    upper, text = parts
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise InvalidParameter(f"unable to parse a valid vlan id from: {text} (ex. eth0.10 for vlan 10)")
    return upper, int(text)


def check_kernel(driver: str) -> None:
    """``Unavailable`` where the kernel has no such interfaces. Blocks."""
    with Rtnetlink() as netlink:
        if not sublinks.known(netlink, driver):
            raise lacking(driver)


def lacking(what: str) -> Unavailable:
    """The refusal that names the option the kernel was built without."""
    return Unavailable(f"this kernel has no {what} interfaces: it was built without {KERNEL_OPTIONS[what]}")


def make(parent: str, kind: str) -> None:
    """Make the parent if it is not there, and bring it up if it is ours. Blocks."""
    with Rtnetlink() as netlink:
        if netlink.link(parent) is None:
            if not kind:
                raise Unavailable(f"the parent interface {parent} is not there")
            request = sublinks.dummy_add(parent)
            if kind == "vlan":
                upper, tag = vlan(parent)
                below = netlink.link(upper)
                if below is None:
                    raise Unavailable(f"the parent interface {upper} of {parent} is not there")
                request = sublinks.vlan_add(parent, below.index, tag)
            try:
                netlink.execute(request)
            except NetlinkError as error:
                if error.errno == errno.EOPNOTSUPP:
                    raise lacking(kind) from error
                raise SystemFault(f"failed to create {parent} {kind} link: {error}") from error
        if kind:
            netlink.execute(link_up(parent))


def unmake(parent: str) -> None:
    """Take away a parent that ``make`` made. Blocks."""
    with Rtnetlink() as netlink:
        netlink.execute(link_delete(parent))
