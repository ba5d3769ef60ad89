"""``--network`` and the older flags beside it (``--network-alias``, ``--link``, ``--ip``…) → the API's
endpoint settings.
"""

from __future__ import annotations

from havre.cli import csvline
from havre.cli.parser import go_quoted
from havre.cli.ports import is_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.parser import Args

_PREDEFINED = ("", "default", "bridge", "host", "none")


class Attachment:
    """One network to attach to, with what its endpoint shall have."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.aliases: list[str] = []
        self.links: list[str] = []
        self.driver_opts: dict[str, str] = {}
        self.ipv4 = ""
        self.ipv6 = ""
        self.mac = ""
        self.link_local: list[str] = []
        self.gateway_priority = 0

    @property
    def user_defined(self) -> bool:
        return self.target not in _PREDEFINED and not self.target.startswith("container:")

    def settings(self) -> dict[str, Any]:
        """The API's EndpointSettings; {} where nothing is asked for."""
        out: dict[str, Any] = {}
        if self.aliases:
            out["Aliases"] = self.aliases
        if self.links:
            out["Links"] = self.links
        if self.driver_opts:
            out["DriverOpts"] = self.driver_opts
        if self.mac:
            out["MacAddress"] = self.mac
        if self.gateway_priority:
            out["GwPriority"] = self.gateway_priority
        ipam = {"IPv4Address": self.ipv4, "IPv6Address": self.ipv6, "LinkLocalIPs": self.link_local}
        if any(ipam.values()):
            out["IPAMConfig"] = {name: value for name, value in ipam.items() if value}
        return out


def parse_network(text: str) -> Attachment:
    """One ``--network`` value: a name, ``container:ID``, or ``name=…,alias=…,ip=…``. Raises ValueError."""
    if not _is_long(text):
        return Attachment(text)
    made = Attachment("")
    for field in csvline.split(text):
        key, equals, value = field.partition("=")
        if not equals or not key:
            raise ValueError(f"invalid field {field}")
        _set(made, key.strip().lower(), value.strip())
    if not made.target:
        raise ValueError("network name/id is not specified")
    return made


def _is_long(text: str) -> bool:
    """Whether there is a ``key=value`` in it: an equals sign between two letters, digits or underscores."""
    pairs = zip(text, text[1:], text[2:], strict=False)
    return any(middle == "=" and _is_word(before) and _is_word(after) for before, middle, after in pairs)


def _is_word(char: str) -> bool:
    return char == "_" or (char.isascii() and char.isalnum())


def _set(made: Attachment, key: str, value: str) -> None:
    if key == "name":
        made.target = value
    elif key == "alias":
        made.aliases.append(value)
    elif key == "ip":
        made.ipv4 = value
    elif key == "ip6":
        made.ipv6 = value
    elif key == "mac-address":
        made.mac = value
    elif key == "link-local-ip":
        made.link_local.append(value)
    elif key == "driver-opt":
        name, equals, option = value.partition("=")
        if not equals or not name:
            raise ValueError("invalid key value pair format in driver options")
        made.driver_opts[name.strip()] = option.strip()
    elif key == "gw-priority":
        try:
            made.gateway_priority = int(value)
        except ValueError:
            raise ValueError(f"invalid gw-priority ({value}): invalid syntax") from None
    else:
        raise ValueError(f"invalid field key {key}")


def check_mac(text: str) -> str:
    """A MAC address as Go's net.ParseMAC takes it. Raises ValueError."""
    digits = text.strip()
    for separator, width in ((":", 2), ("-", 2), (".", 4)):
        groups = digits.split(separator)
        if len(groups) * width in (12, 16, 40) and all(len(group) == width for group in groups):
            try:
                int("".join(groups), 16)
            except ValueError:
                break
            return text
    raise ValueError(f"{text} is not a valid mac address")


def check_address(text: str) -> str:
    """An IP address, for ``--dns`` and its like. Raises ValueError with Docker's text."""
    if not is_address(text.strip()):
        raise ValueError(f"IP address is not correctly formatted: {text}")
    return text.strip()


def check_extra_host(text: str) -> str:
    """``--add-host``: ``name:address`` or ``name=address``; the address may be ``host-gateway``."""
    name, separator, address = text.partition("=")
    if not separator:
        name, separator, address = text.partition(":")
    if not separator or not name:
        raise ValueError(f"bad format for add-host: {go_quoted(text)}")
    if len(address) > 2 and address[0] == "[" and address[-1] == "]":
        address = address[1:-1]
    if address != "host-gateway" and not is_address(address.strip()):
        raise ValueError(f"invalid IP address in add-host: {go_quoted(address)}")
    return f"{name}:{address}"


def check_dns_search(text: str) -> str:
    """A search domain, or ``.`` for none."""
    domain = text.strip(" ")
    if domain == ".":
        return domain
    labels = domain.rstrip().removesuffix(".").split(".")
    fine = all(
        label.isascii() and label.replace("-", "a").isalnum() and label[0] != "-" and label[-1] != "-"
        for label in labels
    )
    if not fine or not any(char.isalpha() for char in domain) or len(domain) > 254:
        raise ValueError(f"{domain} is not a valid domain")
    return ".".join(labels)


def check_link(text: str) -> str:
    """``--link``: ``container[:alias]``."""
    if not text:
        raise ValueError("empty string specified for links")
    if text.count(":") > 1:
        raise ValueError(f"bad format for links: {text}")
    return text


def network_mode(attachments: list[Attachment]) -> str:
    """The API's NetworkMode: the first network, ``default`` where none is named."""
    return attachments[0].target if attachments else "default"


def endpoints(args: Args) -> dict[str, dict[str, Any]]:
    """The API's EndpointsConfig. Raises ValueError with Docker's text where flags contradict each other."""
    attachments: list[Attachment] = args.network
    first = attachments[0] if attachments else Attachment("default")
    _apply_flags(first, args)
    out: dict[str, dict[str, Any]] = {}
    for attachment in attachments or [first]:
        if not attachment.target.strip():
            raise ValueError("no name set for network")
        if not attachment.user_defined and attachment.aliases:
            raise ValueError("network-scoped aliases are only supported for user-defined networks")
        if not attachment.user_defined and attachment.links:
            raise ValueError("links are only supported for user-defined networks")
        if attachment.mac:
            check_mac(attachment.mac)
        if attachment.target in out:
            raise ValueError(f"network {go_quoted(attachment.target)} is specified multiple times")
        out[attachment.target] = attachment.settings()
    if len({attachment.user_defined for attachment in attachments}) > 1:
        raise ValueError("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
    # One network without wishes is what NetworkMode says already.
    return out if len(out) > 1 or any(out.values()) else {}


def _apply_flags(first: Attachment, args: Args) -> None:
    for name, there, given in (
        ("--network-alias and per-network alias", first.aliases, args.network_alias),
        ("--link and per-network links", first.links, args.link),
        ("--ip and per-network IPv4 address", first.ipv4, args.ip),
        ("--ip6 and per-network IPv6 address", first.ipv6, args.ip6),
        ("--mac-address and per-network MAC address", first.mac, args.mac_address),
        ("--link-local-ip and per-network link-local IP addresses", first.link_local, args.link_local_ip),
    ):
        if there and given:
            raise ValueError(f"conflicting options: cannot specify both {name}")
    first.aliases = args.network_alias or first.aliases
    if first.user_defined:
        first.links = args.link or first.links
    first.ipv4 = args.ip or first.ipv4
    first.ipv6 = args.ip6 or first.ipv6
    first.mac = args.mac_address or first.mac
    first.link_local = args.link_local_ip or first.link_local
