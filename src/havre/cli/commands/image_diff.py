"""``havre image diff``: how the files and the configuration of two images differ."""

from __future__ import annotations

import json

from havre.lib.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Show how the files and the configuration of two images differ"
USAGE = "havre image diff [OPTIONS] IMAGE IMAGE"


def configure(parser: Parser) -> None:
    parser.arity(2, 2)
    parser.flag("exit-code", "", "bool", "Leave with 1 when there are differences")
    parser.flag("json", "", "bool", "Print all that is known as JSON")


def run(args: Args, ctx: Context) -> int:
    one, other = args.args
    found: dict[str, Any] = ctx.client.get("/havre/images/diff", {"from": one, "to": other}).json()
    if args.json:
        ctx.out.write(json.dumps(found, indent=4) + "\n")
    else:
        for change in found["Config"]:
            ctx.out.write(f"  {change['Field']}: {change['Before'] or '(none)'} → {change['After'] or '(none)'}\n")
        for file in found["Files"]:
            ctx.out.write(_line(file))
    differs = bool(found["Config"] or found["Files"])
    return 1 if args.exit_code and differs else 0


def _line(file: dict[str, Any]) -> str:
    before, after = human_size(file["Before"], 3), human_size(file["After"], 3)
    if file["Kind"] == "A":
        return f"A {file['Path']} ({after})\n"
    if file["Kind"] == "D":
        return f"D {file['Path']} ({before})\n"
    sizes = f", {before} → {after}" if file["Before"] != file["After"] else ""
    return f"C {file['Path']} ({file['What']}{sizes})\n"
