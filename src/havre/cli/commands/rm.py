"""``havre rm``: remove containers."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.parser import MANY
from havre.client.errors import ApiError
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser
    from havre.client.http import Client

HELP = "Remove one or more containers"
USAGE = "havre rm [OPTIONS] CONTAINER [CONTAINER...]"


def configure(parser: Parser) -> None:
    parser.arity(1, MANY)
    parser.flag("force", "f", "bool", "Force the removal of a running container (uses SIGKILL)")
    parser.flag("link", "l", "bool", "Remove the specified link")
    parser.flag("volumes", "v", "bool", "Remove anonymous volumes associated with the container")


def run(args: Args, ctx: Context) -> int:
    query = {"force": args.force or None, "link": args.link or None, "v": args.volumes or None}

    def remove(client: Client, given: str) -> bool | None:
        name = given.strip("/")
        if not name:
            raise CommandError("container name cannot be empty")
        try:
            client.delete(f"/containers/{quote(name)}", query).read()
        except ApiError as error:
            if not (args.force and error.status == 404):
                raise
            # Removed is what it shall be; Docker says so on stderr and goes on.
            ctx.err.write(f"{error}\n")
            return False
        return None

    return ctx.each_at_once(args.args, remove)
