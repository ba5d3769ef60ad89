"""``havre import``: an image made of the files of a tar archive."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Import the contents from a tarball to create a filesystem image"
USAGE = "havre import [OPTIONS] file|URL|- [REPOSITORY[:TAG]]"


def configure(parser: Parser) -> None:
    parser.flag("change", "c", "list", "Apply Dockerfile instruction to the created image")
    parser.flag("message", "m", "string", "Set commit message for imported image")
    parser.flag("platform", "", "string", "Set platform if server is multi-platform capable")
    parser.arity(1, 1_000_000)


def run(args: Args, ctx: Context) -> int:
    """A file and standard input travel with the request; a URL is the daemon's to fetch."""
    from havre.cli.progress import follow
    from havre.cli.upload import open_file, pieces

    source = args.args[0]
    name = args.args[1] if len(args.args) > 1 else ""
    if name:
        _check(name)
    remote = source.startswith(("http://", "https://"))
    query = {
        "fromSrc": source if remote else "-",
        "repo": name,
        "message": args.message or None,
        "platform": args.platform.lower() or None,
        "changes": args.change,
    }
    if remote:
        follow(ctx.client.post("/images/create", query), ctx.out)
        return 0
    file = ctx.stdin.buffer if source == "-" else open_file(source)
    try:
        follow(ctx.client.post("/images/create", query, stream=pieces(file)), ctx.out)
    finally:
        if source != "-":
            file.close()
    return 0


def _check(name: str) -> None:
    from havre.lib.references import parse

    try:
        parse(name)
    except ValueError as error:
        raise CommandError(str(error)) from error
