"""``havre ps``: list containers."""

from __future__ import annotations

from havre.cli import filterflag
from havre.cli.format import FORMAT_HELP, show
from havre.cli.format_containers import COLUMNS, RAW, Row, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "List containers"
USAGE = "havre ps [OPTIONS]"


def configure(parser: Parser) -> None:
    parser.flag("all", "a", "bool", "Show all containers (default shows just running)")
    filterflag.declare(parser, "f")
    parser.flag("format", "", "string", FORMAT_HELP)
    parser.flag("last", "n", "int", "Show n last created containers (includes all states)", default=-1)
    parser.flag("latest", "l", "bool", "Show the latest created container (includes all states)")
    parser.flag("no-trunc", "", "bool", "Don't truncate output")
    parser.flag("quiet", "q", "bool", "Only display container IDs")
    parser.flag("size", "s", "bool", "Display total file sizes")


def run(args: Args, ctx: Context) -> int:
    template = args.format or ctx.config.text("psFormat")
    if args.format and args.quiet:
        ctx.err.write("WARNING: Ignoring custom format, because both --format and --quiet are set.\n")
    size = args.size
    if template:
        uses_size = _uses_size(template)
        size = size or (uses_size and not args.quiet and not args.changed("size"))
    limit = 1 if args.latest and args.last == -1 else args.last
    query = {
        "all": args.all or None,
        "limit": limit if limit > 0 else None,
        "size": size or None,
        "filters": filterflag.collected(args.filter),
    }
    rows = [Row(summary, not args.no_trunc) for summary in ctx.client.get("/containers/json", query).json()]
    show(ctx, listing((*COLUMNS, "Size") if size else COLUMNS), rows, _source(template, args.quiet, size))
    return 0


def _source(template: str, quiet: bool, size: bool) -> str:
    if template == "raw":
        return "container_id: {{.ID}}" if quiet else RAW + ("size: {{.Size}}\n" if size else "")
    return "{{.ID}}" if quiet else template or "table"


def _uses_size(template: str) -> bool:
    """Whether the template asks for the size, which the daemon works out only on request. A wrong one is found here."""
    from havre.cli.errors import CommandError
    from havre.cli.format_template import fields_used
    from havre.lib.templates import Template, TemplateError

    try:
        Template(template)
    except TemplateError as error:
        raise CommandError(f"failed to parse template: {error}") from error
    try:
        return "Size" in fields_used(listing(), template, Row({}, False))
    except TemplateError as error:
        raise CommandError(f"failed to execute template: {error}") from error
