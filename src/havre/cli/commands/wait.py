"""``havre wait``: block until containers have stopped, print their exit codes."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.parser import MANY
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Block until one or more containers stop, then print their exit codes"
USAGE = "havre wait CONTAINER [CONTAINER...]"


def configure(parser: Parser) -> None:
    parser.arity(1, MANY)


def run(args: Args, ctx: Context) -> int:
    def wait(name: str) -> bool:
        answer = ctx.client.post(f"/containers/{quote(name)}/wait").json()
        if failure := answer.get("Error"):
            raise CommandError(str(failure.get("Message", "")))
        ctx.out.write(f"{answer['StatusCode']}\n")
        ctx.out.flush()
        return False

    return ctx.each(args.args, wait)
