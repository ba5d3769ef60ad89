"""``havre system fsck``: check what is kept on disk, and put right what can be."""

from __future__ import annotations

from havre.cli.terminal import descriptor_of, is_terminal
from havre.wire.jsonlines import Decoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Check blobs, layers and records against each other, and repair what can be"
USAGE = "havre system fsck [OPTIONS]"


def configure(parser: Parser) -> None:
    parser.arity(0)
    parser.flag("repair", "", "bool", "Put right what can be, and take away what nobody needs")
    parser.flag("quiet", "q", "bool", "Only print what is wrong")


def run(args: Args, ctx: Context) -> int:
    """0 when all is well, or is now; 1 when problems are left."""
    from havre.cli.errors import CommandError

    response = ctx.client.post("/havre/fsck", {"repair": args.repair or None})
    decoder = Decoder()
    summary: dict[str, Any] = {}
    counting = is_terminal(descriptor_of(ctx.err)) and not args.quiet
    for piece in response.iter_chunks():
        for message in decoder.feed(piece):
            if not isinstance(message, dict):
                continue
            if message.get("error"):
                raise CommandError(str(message["error"]))
            _show(message, ctx, counting)
            summary = message.get("Summary", summary)
    if counting:
        ctx.err.write("\r\x1b[K")
    if not summary:
        raise CommandError("the check was broken off")
    if not args.quiet:
        ctx.out.write(_total(summary, args.repair))
    return 1 if summary["Problems"] else 0


def _show(message: dict[str, Any], ctx: Context, counting: bool) -> None:
    if counting and (progress := message.get("Progress")):
        ctx.err.write(f"\r\x1b[K{progress['Kind']}s: {progress['Done']} of {progress['Total']}")
        ctx.err.flush()
    if finding := message.get("Finding"):
        if counting:
            ctx.err.write("\r\x1b[K")
            ctx.err.flush()
        done = f" ({finding['Repaired']})" if finding["Repaired"] else ""
        ctx.out.write(f"{finding['Kind']} {finding['Name']}: {finding['Problem']}{done}\n")
        ctx.out.flush()


def _total(summary: dict[str, Any], repair: bool) -> str:
    checked = ", ".join(f"{count} {kind}s" for kind, count in summary["Checked"].items())
    found = [f"{summary['Problems']} problems" + (" left" if repair else "")]
    if summary["Repaired"]:
        found.append(f"{summary['Repaired']} repaired")
    if summary["Unused"] and not repair:
        found.append("some content that nobody needs (--repair takes it away)")
    return f"Checked {checked}: {', '.join(found)}\n"
