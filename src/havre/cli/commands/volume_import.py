"""``havre volume import``: a volume made of the files of a tar archive."""

from __future__ import annotations

from havre.cli.envfile import check_label
from havre.cli.names import part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Create a volume from a tar archive, or fill one"
USAGE = "havre volume import [OPTIONS] VOLUME [file|-]"


def configure(parser: Parser) -> None:
    parser.flag("devices", "", "bool", "Allow device nodes in the archive")
    parser.flag("label", "", "list", "Set metadata for a volume that is created", convert=check_label)
    parser.flag("replace", "", "bool", "Replace the files that the volume has")
    parser.arity(1, 2)


def run(args: Args, ctx: Context) -> int:
    from havre.cli.upload import open_file, pieces

    source = args.args[1] if len(args.args) > 1 else "-"
    query = {"label": args.label, "replace": args.replace or None, "devices": args.devices or None}
    path = f"/havre/volumes/{part('volume', args.args[0])}/import"
    file = ctx.stdin.buffer if source == "-" else open_file(source)
    try:
        ctx.out.write(f"{ctx.client.post(path, query, stream=pieces(file)).json()['Name']}\n")
    finally:
        if source != "-":
            file.close()
    return 0
