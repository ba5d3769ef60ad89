"""What ``stop`` and ``restart`` take: the signal, and how long to wait for it to work."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.parser import MANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.parser import Args, Parser


def declare(parser: Parser) -> None:
    parser.arity(1, MANY)
    parser.flag("signal", "s", "string", "Signal to send to the container")
    parser.flag("timeout", "t", "int", "Seconds to wait before killing the container")
    parser.flag("time", "", "int", "Seconds to wait before killing the container", deprecated="use --timeout instead")


def query(args: Args) -> dict[str, object]:
    """The query of the request. Raises CommandError where both names of the time are given."""
    old, new = args.changed("time"), args.changed("timeout")
    if old and new:
        raise CommandError("conflicting options: cannot specify both --timeout and --time")
    return {"signal": args.signal or None, "t": args.time if old else args.timeout if new else None}
