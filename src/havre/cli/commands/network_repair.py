"""``havre network repair``: make anew what somebody else took away of networks: rules, bridges, interfaces."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Make anew what somebody else took away of networks: rules, bridges, interfaces"
USAGE = "havre network repair"


def configure(parser: Parser) -> None:
    parser.arity(0)


def run(args: Args, ctx: Context) -> int:
    answer = ctx.client.post("/havre/networks/repair").json()
    for one in answer:
        mended = [*one["Mended"], *(f"interface of {name}" for name in one["Containers"])]
        if mended:
            ctx.out.write(f"{one['Network']}: {', '.join(mended)}\n")
        if one["Problem"]:
            ctx.err.write(f"{one['Network']}: {one['Problem']}\n")
    if not answer:
        ctx.out.write("nothing to repair\n")
    return 1 if any(one["Problem"] for one in answer) else 0
