"""``havre image layers``: what each layer of an image adds, and what it wastes."""

from __future__ import annotations

import json

from havre.client.query import quote
from havre.lib.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Show what each layer of an image adds, and the space that lower layers waste"
USAGE = "havre image layers [OPTIONS] IMAGE"
_WIDE = 60


def configure(parser: Parser) -> None:
    parser.arity(1)
    parser.flag("files", "", "int", "Show this many of the largest files of each layer", default=0)
    parser.flag("json", "", "bool", "Print all that is known as JSON")
    parser.flag("no-trunc", "", "bool", "Don't truncate output")


def run(args: Args, ctx: Context) -> int:
    """Print a row for each layer, the lowest first, and what they come to."""
    found: dict[str, Any] = ctx.client.get(f"/havre/images/{quote(args.args[0])}/layers").json()
    if args.json:
        ctx.out.write(json.dumps(found, indent=4) + "\n")
        return 0
    rows = [("LAYER", "SIZE", "ADDED", "CHANGED", "DELETED", "WASTED", "CREATED BY")]
    for layer in found["Layers"]:
        words = " ".join(layer["CreatedBy"].split())
        if not args.no_trunc and len(words) > _WIDE:
            words = words[: _WIDE - 1] + "…"
        digest = layer["Digest"] if args.no_trunc else layer["Digest"].partition(":")[2][:12]
        counts = (str(layer[name]) for name in ("Added", "Changed", "Deleted"))
        rows.append((digest, human_size(layer["Size"], 3), *counts, human_size(layer["Wasted"], 3), words))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for number, row in enumerate(rows):
        cells = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        ctx.out.write(f"{cells}   {row[-1]}".rstrip() + "\n")
        if number and args.files:
            for file in found["Layers"][number - 1]["Largest"][: args.files]:
                ctx.out.write(f"    {human_size(file['Size'], 3):>8}  {file['Path']}\n")
    share = 100 * found["Wasted"] / found["Size"] if found["Size"] else 0
    total, wasted = human_size(found["Size"], 3), human_size(found["Wasted"], 3)
    ctx.out.write(f"\n{total} in {len(found['Layers'])} layers, {wasted} of it wasted ({share:.1f} %)\n")
    return 0
