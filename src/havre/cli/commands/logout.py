"""``havre logout``: forget the credentials for a registry."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.client.auth import HUB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Log out from a registry.\nIf no server is specified, the default is defined by the daemon."
USAGE = "havre logout [SERVER]"


def configure(parser: Parser) -> None:
    parser.arity(0, 1)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.credstore import erase

    server = args.args[0] if args.args and args.args[0] != "docker.io" else HUB
    names, host = [server], server
    if server != HUB:
        host = server.removeprefix("http://").removeprefix("https://").split("/", 1)[0]
        # Whichever way it was written when logging in.
        names = list(dict.fromkeys([server, host, f"http://{host}", f"https://{host}"]))
    ctx.out.write(f"Removing login credentials for {host}\n")
    failures = {}
    for name in names:
        try:
            erase(ctx.config, name)
        except CommandError as error:
            failures[name] = error.message
    if len(failures) == len(names):
        ctx.err.write("WARNING: could not erase credentials:\n")
        ctx.err.write("".join(f"{name}: {reason}\n" for name, reason in failures.items()))
    return 0
