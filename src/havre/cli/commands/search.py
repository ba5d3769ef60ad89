"""``havre search``: look for images in a registry."""

from __future__ import annotations

from havre.cli import filterflag
from havre.cli.format import Listing, chosen, ellipsis, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Search Docker Hub for images"
USAGE = "havre search [OPTIONS] TERM"


def configure(parser: Parser) -> None:
    filterflag.declare(parser, "f")
    parser.flag("format", "", "string", "Pretty-print search using a Go template")
    parser.flag("limit", "", "int", "Max number of search results")
    parser.flag("no-trunc", "", "bool", "Don't truncate output")
    parser.arity(1)


def run(args: Args, ctx: Context) -> int:
    from havre.client.auth import header_for

    term = args.args[0]
    query = {"term": term, "limit": args.limit or None, "filters": filterflag.collected(args.filter)}
    first = term.partition("/")[0]
    registry = first if "/" in term and ("." in first or ":" in first or first == "localhost") else "docker.io"
    rows = ctx.client.get("/images/search", query, headers=header_for(ctx.config, registry)).json()
    columns = ("Name", "Description", "StarCount", "IsOfficial")
    listing = Listing("*registry.searchContext", _fields(not args.no_trunc, words=args.format == "json"), columns)
    show(ctx, listing, rows, chosen(args.format, "", False))
    return 0


def _fields(trunc: bool, *, words: bool) -> dict[str, tuple[str, Any]]:
    """``words``: booleans are ``true`` and ``false`` instead of ``[OK]`` and nothing."""
    yes, no = ("true", "false") if words else ("[OK]", "")

    def description(result: dict[str, Any]) -> str:
        text = result.get("description", "").replace("\n", " ").replace("\r", " ")
        return ellipsis(text, 45) if trunc else text

    return {
        "Name": ("NAME", lambda result: result.get("name", "")),
        "Description": ("DESCRIPTION", description),
        "StarCount": ("STARS", lambda result: str(result.get("star_count", 0))),
        "IsOfficial": ("OFFICIAL", lambda result: yes if result.get("is_official") else no),
    }
