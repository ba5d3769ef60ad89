"""``havre rmi``: take names from images, and delete those that have none left."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.names import part
from havre.client.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Remove one or more images"
USAGE = "havre rmi [OPTIONS] IMAGE [IMAGE...]"

_PLATFORM_HELP = 'Remove only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")'


def configure(parser: Parser) -> None:
    parser.flag("force", "f", "bool", "Force removal of the image")
    parser.flag("no-prune", "", "bool", "Do not delete untagged parents")
    parser.flag("platform", "", "list", _PLATFORM_HELP, word="strings")
    parser.arity(1, 1_000_000)


def run(args: Args, ctx: Context) -> int:
    query = {"force": args.force or None, "noprune": args.no_prune or None, "platforms": _platforms(args.platform)}
    failures: list[ApiError] = []
    for name in args.args:
        try:
            deleted = ctx.client.delete(f"/images/{part('image', name)}", query).json()
        except ApiError as error:
            failures.append(error)
            continue
        for item in deleted:
            text = f"Deleted: {item['Deleted']}" if item.get("Deleted") else f"Untagged: {item.get('Untagged', '')}"
            ctx.out.write(f"{text}\n")
    if failures:
        message = "\n".join(map(str, failures))
        # What is not there is as good as removed, to one who forces it.
        if not args.force or any(failure.status != 404 for failure in failures):
            raise CommandError(message)
        ctx.err.write(f"{message}\n")
    return 0


def _platforms(values: list[str]) -> list[str] | None:
    if not values:
        return None
    from havre.cli.platformflag import as_query, split
    from havre.client.jsontext import dumps

    return [dumps(as_query(value)) for value in split(values)]
