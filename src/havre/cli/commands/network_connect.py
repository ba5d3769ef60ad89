"""``havre network connect``: join a container to a network."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.names import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Connect a container to a network"
USAGE = "havre network connect [OPTIONS] NETWORK CONTAINER"


def configure(parser: Parser) -> None:
    flag = parser.flag
    flag("alias", "", "list", "Add network-scoped alias for the container", word="strings")
    flag("driver-opt", "", "list", "driver options for the network", word="strings")
    flag(
        "gw-priority",
        "",
        "int",
        "Highest gw-priority provides the default gateway. Accepts positive and negative values.",
    )
    flag("ip", "", "string", 'IPv4 address (e.g., "172.30.100.104")')
    flag("ip6", "", "string", 'IPv6 address (e.g., "2001:db8::33")')
    flag("link", "", "list", "Add link to another container")
    flag("link-local-ip", "", "list", "Add a link-local address for the container", word="strings")
    parser.arity(2)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.platformflag import split

    network, container = args.args
    part("container", container)
    endpoint: dict[str, Any] = {
        "IPAMConfig": {
            "IPv4Address": args.ip,
            "IPv6Address": args.ip6,
            "LinkLocalIPs": split(args.link_local_ip) or None,
        },
        "Links": args.link or None,
        "Aliases": split(args.alias) or None,
        "DriverOpts": _driver_options(split(args.driver_opt)),
        "GwPriority": args.gw_priority,
    }
    body = {"Container": container, "EndpointConfig": endpoint}
    ctx.client.post(f"/networks/{part('network', network)}/connect", body=body).read()
    return 0


def _driver_options(values: list[str]) -> dict[str, str]:
    found = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals:
            raise CommandError("invalid key/value pair format in driver options")
        found[name.strip().lower()] = value.strip()
    return found
