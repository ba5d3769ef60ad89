"""``havre network create``: make a network."""

from __future__ import annotations

from havre.cli.envfile import check_label
from havre.cli.errors import CommandError
from havre.cli.keyvalues import pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Create a network"
USAGE = "havre network create [OPTIONS] NETWORK"


def configure(parser: Parser) -> None:
    flag = parser.flag
    flag("attachable", "", "bool", "Enable manual container attachment")
    flag("aux-address", "", "map", "Auxiliary IPv4 or IPv6 addresses used by Network driver")
    flag("config-from", "", "string", "The network from which to copy the configuration")
    flag("config-only", "", "bool", "Create a configuration only network")
    flag("driver", "d", "string", "Driver to manage the Network", default="bridge")
    flag("gateway", "", "list", "IPv4 or IPv6 Gateway for the master subnet", word="strings")
    flag("ingress", "", "bool", "Create swarm routing-mesh network")
    flag("internal", "", "bool", "Restrict external access to the network")
    flag("ip-range", "", "list", "Allocate container ip from a sub-range", word="strings")
    flag("ipam-driver", "", "string", "IP Address Management Driver", default="default")
    flag("ipam-opt", "", "map", "Set IPAM driver specific options")
    flag("ipv4", "", "bool", "Enable or disable IPv4 address assignment", default=True)
    flag("ipv6", "", "bool", "Enable or disable IPv6 address assignment")
    flag("label", "", "list", "Set metadata on a network", convert=check_label)
    flag("opt", "o", "map", "Set driver specific options")
    flag("scope", "", "string", "Control the network's scope")
    flag("subnet", "", "list", "Subnet in CIDR format that represents a network segment", word="strings")
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    """Flags that stand at their defaults travel too, but for those whose default is the daemon's to choose."""
    body: dict[str, Any] = {
        "Name": args.args[0],
        "Driver": args.driver,
        "Options": pairs(args.opt),
        "IPAM": {
            "Driver": args.ipam_driver,
            "Options": pairs(args.ipam_opt),
            "Config": ipam(args.subnet, args.ip_range, args.gateway, pairs(args.aux_address)),
        },
        "Internal": args.internal,
        "Attachable": args.attachable,
        "Ingress": args.ingress,
        "Scope": args.scope,
        "ConfigOnly": args.config_only,
        "ConfigFrom": {"Network": args.config_from} if args.config_from else None,
        "Labels": pairs(args.label),
    }
    body |= {f"EnableIPv{v}": getattr(args, f"ipv{v}") for v in (4, 6) if args.changed(f"ipv{v}")}
    answer = ctx.client.post("/networks/create", body=body).json()
    if answer.get("Warning"):
        ctx.err.write(f"WARNING: {answer['Warning']}\n")
    ctx.out.write(f"{answer['Id']}\n")
    return 0


def ipam(subnets: list[str], ranges: list[str], gateways: list[str], auxiliary: dict[str, str]) -> list[dict[str, Any]]:
    """Each subnet with the range, gateway and reserved addresses that lie in it. Raises CommandError."""
    from ipaddress import ip_address, ip_network

    from havre.cli.platformflag import split

    subnets, ranges, gateways = split(subnets), split(ranges), split(gateways)
    if len(subnets) < len(ranges) or len(subnets) < len(gateways):
        raise CommandError("every ip-range or gateway must have a corresponding subnet")
    if len(subnets) == 1 and not (ranges or gateways or auxiliary):
        return [{"Subnet": subnets[0]}]
    try:
        pools: dict[Any, dict[str, Any]] = {}
        for text in subnets:
            network = ip_network(text, strict=False)
            if any(network.version == other.version and network.overlaps(other) for other in pools):
                raise CommandError("multiple overlapping subnet configuration is not supported")
            pools[network] = {"Subnet": text}
        for text in ranges:
            first = ip_network(text, strict=False).network_address
            _place(pools, first, "IPRange", text, "range", "ranges")
        for text in gateways:
            _place(pools, ip_address(text), "Gateway", text, "gateway", "gateways")
        for name, text in auxiliary.items():
            pool = _pool(pools, ip_address(text), f"aux-address {text}")
            pool.setdefault("AuxiliaryAddresses", {})[name] = text
    except ValueError as error:
        raise CommandError(f"invalid address: {error}") from error
    return list(pools.values())


def _pool(pools: dict[Any, dict[str, Any]], address: Any, what: str) -> dict[str, Any]:
    for network, pool in pools.items():
        if network.version == address.version and address in network:
            return pool
    raise CommandError(f"no matching subnet for {what}")


def _place(pools: dict[Any, dict[str, Any]], address: Any, key: str, text: str, one: str, many: str) -> None:
    pool = _pool(pools, address, f"{one} {text}")
    if key in pool:
        where = "on the same" if key == "IPRange" else "for the same"
        raise CommandError(f"cannot configure multiple {many} ({text}, {pool[key]}) {where} subnet ({pool['Subnet']})")
    pool[key] = text
