"""``havre volume ls``: list volumes."""

from __future__ import annotations

from havre.cli import filterflag
from havre.cli.errors import CommandError
from havre.cli.format import FORMAT_HELP, chosen, show
from havre.cli.format_volumes import RAW, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "List volumes"
USAGE = "havre volume ls [OPTIONS]"


def configure(parser: Parser) -> None:
    parser.flag("cluster", "", "bool", "Display only cluster volumes, and use cluster volume list formatting")
    filterflag.declare(parser, "f", 'Provide filter values (e.g. "dangling=true")')
    parser.flag("format", "", "string", FORMAT_HELP)
    parser.flag("quiet", "q", "bool", "Only display volume names")


def run(args: Args, ctx: Context) -> int:
    if args.cluster:
        raise CommandError("cluster volumes are not supported")
    answer = ctx.client.get("/volumes", {"filters": filterflag.collected(args.filter)}).json()
    for warning in answer.get("Warnings") or ():
        ctx.err.write(f"WARNING: {warning}\n")
    rows = sorted(answer.get("Volumes") or (), key=lambda volume: _natural(volume["Name"]))
    source = chosen(args.format, ctx.config.text("volumesFormat"), args.quiet, "{{.Name}}")
    if source == "raw":
        source = "name: {{.Name}}" if args.quiet else RAW
    show(ctx, listing(), rows, source)
    return 0


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A sorting key that reads the numbers in a name as numbers: v2 before v10."""
    parts: list[tuple[int, int, str]] = []
    start = 0
    while start < len(name):
        numeric, end = name[start].isdecimal(), start
        while end < len(name) and name[end].isdecimal() == numeric:
            end += 1
        piece = name[start:end]
        parts.append((0, int(piece), piece) if numeric else (1, 0, piece))
        start = end
    return parts
