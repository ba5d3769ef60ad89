"""``havre network ls``: list networks."""

from __future__ import annotations

from havre.cli import filterflag
from havre.cli.format import FORMAT_HELP, Listing, chosen, joined_labels, show
from havre.lib.ids import short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "List networks"
USAGE = "havre network ls [OPTIONS]"


class Row:
    """One network: the API's summary, and whether the id is cut."""

    def __init__(self, network: dict[str, Any], trunc: bool) -> None:
        self.network = network
        self.trunc = trunc

    def id(self) -> str:
        identifier: str = self.network["Id"]
        return short(identifier) if self.trunc else identifier

    def created_at(self) -> str:
        from havre.cli.format_typed import Time

        return Time(self.network.get("Created", "")).text()


def _flag(name: str) -> Any:
    return lambda row: "true" if row.network.get(name) else "false"


def _text(name: str) -> Any:
    return lambda row: row.network.get(name, "")


FIELDS: dict[str, tuple[str, Any]] = {
    "ID": ("NETWORK ID", Row.id),
    "Name": ("NAME", _text("Name")),
    "Driver": ("DRIVER", _text("Driver")),
    "Scope": ("SCOPE", _text("Scope")),
    "IPv4": ("IPV4", _flag("EnableIPv4")),
    "IPv6": ("IPV6", _flag("EnableIPv6")),
    "Internal": ("INTERNAL", _flag("Internal")),
    "Labels": ("LABELS", lambda row: joined_labels(row.network.get("Labels"))),
    "CreatedAt": ("CREATED AT", Row.created_at),
}


def configure(parser: Parser) -> None:
    filterflag.declare(parser, "f", 'Provide filter values (e.g. "driver=bridge")')
    parser.flag("format", "", "string", FORMAT_HELP)
    parser.flag("no-trunc", "", "bool", "Do not truncate the output")
    parser.flag("quiet", "q", "bool", "Only display network IDs")


def run(args: Args, ctx: Context) -> int:
    networks = ctx.client.get("/networks", {"filters": filterflag.collected(args.filter)}).json()
    rows = [Row(network, not args.no_trunc) for network in sorted(networks, key=lambda network: network["Name"])]
    source = chosen(args.format, ctx.config.text("networksFormat"), args.quiet)
    if source == "raw":
        full = "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n"
        source = "network_id: {{.ID}}" if args.quiet else full
    columns = ("ID", "Name", "Driver", "Scope")
    show(ctx, Listing("*network.networkContext", FIELDS, columns, lambda row: row.network.get("Labels")), rows, source)
    return 0
