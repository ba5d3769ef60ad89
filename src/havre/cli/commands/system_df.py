"""``havre system df``: what images, containers, volumes and the build cache take on the disk."""

from __future__ import annotations

from havre.cli import format_containers, format_images, format_usage, format_volumes
from havre.cli.format import FORMAT_HELP, show
from havre.lib.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.format import Listing
    from havre.cli.parser import Args, Parser

    Rows = dict[str, tuple[Listing, list[Any]]]

HELP = "Show docker disk usage"
USAGE = "havre system df [OPTIONS]"

_IMAGE_COLUMNS = ("Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers")
_CONTAINER_COLUMNS = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")


def configure(parser: Parser) -> None:
    parser.flag("format", "", "string", FORMAT_HELP)
    parser.flag("verbose", "v", "bool", "Show detailed information on space usage")


def run(args: Args, ctx: Context) -> int:
    usage = ctx.client.get("/system/df").json()
    source = args.format or "table"
    if not args.verbose:
        source = format_usage.SUMMARY_RAW if source == "raw" else source
        show(ctx, format_usage.SUMMARY, format_usage.lines(usage), source)
        return 0
    rows = _rows(usage, trunc=source.startswith("table"))
    ctx.out.write(_tables(usage, rows) if source == "table" else _through(rows, source))
    return 0


def _rows(usage: dict[str, Any], *, trunc: bool) -> Rows:
    images = []
    for summary in usage.get("Images") or ():
        tags, _ = format_images.names(summary)
        repository, tag = tags[0] if tags else (format_images.NONE, format_images.NONE)
        images.append(format_images.Row(summary, trunc, repository, tag, digest=""))
    # The size of a container here is what it wrote itself.
    containers = [{**summary, "SizeRootFs": 0} for summary in usage.get("Containers") or ()]
    cache = sorted(usage.get("BuildCache") or (), key=format_usage.cache_order)
    return {
        "Images": (format_images.listing(_IMAGE_COLUMNS), images),
        "Containers": (
            format_containers.listing(_CONTAINER_COLUMNS),
            [format_containers.Row(summary, trunc) for summary in containers],
        ),
        "Volumes": (format_volumes.listing(("Name", "Links", "Size")), usage.get("Volumes") or []),
        "BuildCache": (format_usage.CACHE, [format_usage.CacheRow(record, trunc) for record in cache]),
    }


def _tables(usage: dict[str, Any], rows: Rows) -> str:
    size = human_size(format_usage.cache_size(usage.get("BuildCache") or []))
    titles = ("Images space usage:", "Containers space usage:", "Local Volumes space usage:")
    parts = zip((*titles, f"Build cache usage: {size}"), rows.values(), strict=True)
    return "\n".join(f"{title}\n\n{listing.table(found)}" for title, (listing, found) in parts)


def _through(rows: Rows, source: str) -> str:
    from havre.cli.errors import CommandError
    from havre.cli.format_template import Row, parse
    from havre.lib.templates import List, Record, TemplateError

    class Everything(Record):
        type_name = "*formatter.diskUsageContext"

        def get(self, name: str) -> object:
            listing, found = rows[name]
            shown = [Row(listing, row) for row in found]
            return List(f"[]{listing.type_name}", shown, source=shown)

        def items(self) -> list[tuple[str, object]]:
            return [(name, self.get(name)) for name in rows]

    try:
        return parse(_raw() if source == "raw" else source).execute(Everything())
    except TemplateError as error:
        raise CommandError(str(error)) from error


def _raw() -> str:
    parts = {
        "Images": ("Image", format_images.raw(digests=True)),
        "Containers": ("Container", format_containers.RAW + "size: {{.Size}}\n"),
        "Volumes": ("Volume", format_volumes.RAW),
        "BuildCache": ("Build Cache", format_usage.CACHE_RAW),
    }
    return "\n".join(f"{{{{range .{name}}}}}type: {kind}\n{raw}\n{{{{end -}}}}" for name, (kind, raw) in parts.items())
