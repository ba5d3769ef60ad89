"""``havre history``: the layers of an image and what made them."""

from __future__ import annotations

from havre.cli.format import FORMAT_HELP, Listing, ago, chosen, ellipsis, show
from havre.cli.names import part
from havre.lib.ids import short
from havre.lib.sizes import human_size
from havre.lib.times import SECOND, rfc3339_local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Show the history of an image"
USAGE = "havre history [OPTIONS] IMAGE"

# Dates up to here are stand-ins (reproducible builds), of which "56 years ago" says nothing.
_EPOCH = 946_684_800
_PLATFORM_HELP = 'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")'


class Row:
    """One entry: the API's item, whether long texts are cut, whether numbers are made readable."""

    def __init__(self, item: dict[str, Any], trunc: bool, human: bool) -> None:
        self.item = item
        self.trunc = trunc
        self.human = human

    def id(self) -> str:
        identifier: str = self.item.get("Id", "")
        return short(identifier) if self.trunc else identifier

    def created_at(self) -> str:
        return rfc3339_local(self.item.get("Created", 0) * SECOND)

    def created_since(self) -> str:
        if not self.human:
            return self.created_at()
        created = self.item.get("Created", 0)
        return ago(created) if created > _EPOCH else "N/A"

    def created_by(self) -> str:
        command: str = self.item.get("CreatedBy", "").replace("\t", " ")
        return ellipsis(command, 45) if self.trunc else command

    def size(self) -> str:
        size = self.item.get("Size", 0)
        return human_size(size, 3) if self.human else str(size)


FIELDS: dict[str, tuple[str, Any]] = {
    "ID": ("IMAGE", Row.id),
    "CreatedSince": ("CREATED", Row.created_since),
    "CreatedAt": ("CREATED AT", Row.created_at),
    "CreatedBy": ("CREATED BY", Row.created_by),
    "Size": ("SIZE", Row.size),
    "Comment": ("COMMENT", lambda row: row.item.get("Comment", "")),
}


def configure(parser: Parser) -> None:
    parser.flag("format", "", "string", FORMAT_HELP)
    parser.flag("human", "H", "bool", "Print sizes and dates in human readable format", default=True)
    parser.flag("no-trunc", "", "bool", "Don't truncate output")
    parser.flag("platform", "", "string", _PLATFORM_HELP)
    parser.flag("quiet", "q", "bool", "Only show image IDs")
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.platformflag import as_query

    path = f"/images/{part('image', args.args[0])}/history"
    items = ctx.client.get(path, {"platform": as_query(args.platform)}).json()
    rows = [Row(item, not args.no_trunc, args.human) for item in items]
    columns = ("ID", "CreatedSince" if args.human else "CreatedAt", "CreatedBy", "Size", "Comment")
    show(ctx, Listing("*image.historyContext", FIELDS, columns), rows, chosen(args.format, "", args.quiet))
    return 0
