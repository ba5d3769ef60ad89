"""``havre stop``: end containers with their stop signal, then with SIGKILL."""

from __future__ import annotations

from havre.cli.parser import MANY
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Stop one or more running containers"
USAGE = "havre stop [OPTIONS] CONTAINER [CONTAINER...]"


def configure(parser: Parser) -> None:
    parser.arity(1, MANY)
    parser.flag("signal", "s", "string", "Signal to send to the container")
    parser.flag("timeout", "t", "int", "Seconds to wait before killing the container")
    parser.alias("time", "timeout")


def run(args: Args, ctx: Context) -> int:
    query = {"signal": args.signal or None, "t": args.timeout if args.changed("timeout") else None}
    return ctx.each_at_once(
        args.args, lambda client, name: client.post(f"/containers/{quote(name)}/stop", query).read()
    )
