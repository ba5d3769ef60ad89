"""``havre logs``: what a container has written."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.stream import Output
from havre.client.hijack import MULTIPLEXED
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Fetch the logs of a container"
USAGE = "havre logs [OPTIONS] CONTAINER"


def configure(parser: Parser) -> None:
    parser.arity(1)
    parser.flag("details", "", "bool", "Show extra details provided to logs")
    parser.flag("follow", "f", "bool", "Follow log output")
    parser.flag("since", "", "string", 'Show logs since timestamp ("2013-01-02T13:23:37Z") or relative (e.g. "42m")')
    parser.flag("tail", "n", "string", "Number of lines to show from the end of the logs", default="all")
    parser.flag("timestamps", "t", "bool", "Show timestamps")
    parser.flag(
        "until", "", "string", 'Show logs before a timestamp ("2013-01-02T13:23:37Z") or relative ("42m")', since="1.35"
    )


def run(args: Args, ctx: Context) -> int:
    name = quote(args.args[0])
    query = {
        "stdout": True,
        "stderr": True,
        "follow": args.follow or None,
        "timestamps": args.timestamps or None,
        "details": args.details or None,
        "tail": args.tail or None,
        "since": _moment("since", args.since),
        "until": _moment("until", args.until),
    }
    response = ctx.client.get(f"/containers/{name}/logs", query)
    output = Output(ctx, _multiplexed(ctx, name, response.headers.get("content-type", "")))
    for chunk in response.iter_chunks():
        output.feed(chunk)
    return 0


def _moment(flag: str, text: str) -> str | None:
    if not text:
        return None
    from time import time_ns

    from havre.lib.times import api_timestamp

    try:
        return api_timestamp(text, time_ns())
    except ValueError as error:
        raise CommandError(f'invalid value for "{flag}": {error}') from error


def _multiplexed(ctx: Context, name: str, content_type: str) -> bool:
    if content_type.startswith("application/vnd.docker."):
        return content_type == MULTIPLEXED
    # A daemon before API 1.42 does not say; the container's own terminal decides.
    return not ctx.new_client().get(f"/containers/{name}/json").json()["Config"]["Tty"]
