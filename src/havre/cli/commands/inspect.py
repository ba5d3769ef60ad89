"""``havre inspect``: whatever has that name or id."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.format import INSPECT_FORMAT_HELP
from havre.cli.names import part
from havre.client.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Return low-level information on Docker objects"
USAGE = "havre inspect [OPTIONS] NAME|ID [NAME|ID...]"

# Kind → (path, the Go type); in the order they are tried.
KINDS = {
    "container": ("/containers/{}/json", "container.InspectResponse"),
    "image": ("/images/{}/json", "image.InspectResponse"),
    "network": ("/networks/{}", "network.Inspect"),
    "volume": ("/volumes/{}", "volume.Volume"),
}
# Kinds Docker knows and havre has none of.
_ABSENT = ("config", "node", "plugin", "secret", "service", "task")


def configure(parser: Parser) -> None:
    parser.flag("format", "f", "string", INSPECT_FORMAT_HELP)
    parser.flag("size", "s", "bool", "Display total file sizes if the type is container")
    parser.flag("type", "", "string", "Only inspect objects of the given type")
    parser.arity(1, 1_000_000)


def run(args: Args, ctx: Context) -> int:
    """Each name is tried as every kind of object, or as ``--type`` alone; kinds havre has none of are refused."""
    from havre.cli.format_inspect import inspect

    known = '", "'.join(sorted([*KINDS, *_ABSENT]))
    if args.changed("type") and not args.type:
        raise CommandError(f'type is empty: must be one of "{known}"')
    if args.type and args.type not in (*KINDS, *_ABSENT):
        raise CommandError(f'unknown type: "{args.type}": must be one of "{known}"')
    if args.type in _ABSENT:
        raise CommandError(f"inspecting objects of type {args.type} is not supported")

    def find(reference: str) -> tuple[str, str]:
        for kind in (args.type,) if args.type else KINDS:
            try:
                text = fetch(ctx, kind, reference, size=args.size and kind == "container")
            except ApiError as error:
                if args.type or not _absent(error):
                    raise
                continue
            if args.size and kind != "container":
                ctx.err.write(f"WARNING: --size ignored for {kind}\n")
            return KINDS[kind][1], text
        raise CommandError(f"Error: No such object: {reference}")

    return inspect(ctx, args.args, args.format, find)


def fetch(ctx: Context, kind: str, reference: str, *, size: bool = False, **query: object) -> str:
    """The daemon's JSON for one object, as text."""
    path = KINDS[kind][0].format(part(kind, reference))
    return ctx.client.get(path, {"size": True if size else None, **query}).read().decode("utf-8", "replace")


def _absent(error: ApiError) -> bool:
    return error.status == 404 or "not supported" in error.message or "invalid reference format" in error.message
