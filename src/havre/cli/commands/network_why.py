"""``havre network why``: who can reach a published port, through which rule, and to which container."""

from __future__ import annotations

from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Tell who can reach a published port, through which rule, and to which container"
USAGE = "havre network why PORT[/PROTO]"


def configure(parser: Parser) -> None:
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    port, _, protocol = args.args[0].partition("/")
    answer = ctx.client.get(f"/havre/ports/{quote(port)}", {"protocol": protocol} if protocol else {}).json()
    for number, one in enumerate(answer):
        host = f"[{one['HostIp']}]" if ":" in one["HostIp"] else one["HostIp"]
        lines = [
            f"{host}:{one['HostPort'] or ''}/{one['Protocol']}",
            f"  container  {one['ContainerName']} ({one['Container'][:12]})",
            f"  target     {one['Target']} on network {one['Network']}",
            f"  rule       {one['Rule']}",
        ]
        for place, text in enumerate(one["Reach"]):
            lines.append(f"  {'' if place else 'reached by':11}{text}")
        ctx.out.write(("\n" if number else "") + "\n".join(lines) + "\n")
    return 0
