"""``havre commit``: make an image of a container."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Create a new image from a container's changes"
USAGE = "havre commit [OPTIONS] CONTAINER [REPOSITORY[:TAG]]"


def configure(parser: Parser) -> None:
    parser.flag("author", "a", "string", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")')
    parser.flag("change", "c", "list", "Apply Dockerfile instruction to the created image")
    parser.flag("message", "m", "string", "Commit message")
    parser.flag("pause", "p", "bool", "Pause container during commit", default=True)
    parser.arity(1, 2)


def run(args: Args, ctx: Context) -> int:
    query = {
        "container": args.args[0],
        **_name(args.args[1] if len(args.args) > 1 else ""),
        "comment": args.message,
        "author": args.author,
        "changes": args.change,
        "pause": None if args.pause else False,
    }
    ctx.out.write(f"{ctx.client.post('/commit', query).json()['Id']}\n")
    return 0


def _name(text: str) -> dict[str, str]:
    from havre.cli.errors import CommandError
    from havre.lib.references import parse

    if not text:
        return {"repo": "", "tag": ""}
    try:
        reference = parse(text)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if reference.digest:
        raise CommandError("refusing to create a tag with a digest reference")
    return {"repo": reference.repository, "tag": reference.tag or ""}
