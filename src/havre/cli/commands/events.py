"""``havre events``: what happens in the daemon, as it happens."""

from __future__ import annotations

from havre.cli import filterflag
from havre.cli.errors import CommandError
from havre.cli.format import INSPECT_FORMAT_HELP
from havre.lib.times import SECOND, rfc3339_local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Get real time events from the server"
USAGE = "havre events [OPTIONS]"

_WRONG_FORMAT = 64


def configure(parser: Parser) -> None:
    filterflag.declare(parser, "f")
    parser.flag("format", "", "string", INSPECT_FORMAT_HELP)
    parser.flag("since", "", "string", "Show all events created since timestamp")
    parser.flag("until", "", "string", "Stream events until this timestamp")


def run(args: Args, ctx: Context) -> int:
    from havre.wire.jsonlines import Decoder

    show = _through(args.format) if args.format else line
    query = {
        "filters": filterflag.collected(args.filter),
        "since": moment(args.since),
        "until": moment(args.until),
    }
    response = ctx.client.get("/events", query)
    decoder = Decoder()
    for piece in response.iter_chunks():
        for event in decoder.feed(piece):
            if isinstance(event, dict):
                ctx.out.write(f"{show(event)}\n")
        ctx.out.flush()
    return 0


def moment(text: str) -> str | None:
    """A ``--since`` or ``--until`` as the API wants it: seconds, perhaps with a fraction. None when not given."""
    from time import time_ns

    from havre.lib.times import api_timestamp

    if not text:
        return None
    try:
        return api_timestamp(text, time_ns())
    except ValueError as error:
        raise CommandError(str(error)) from error


def line(event: dict[str, Any]) -> str:
    """``2025-01-31T12:00:00.000000000+01:00 container start ID (image=busybox, name=x)``"""
    nanoseconds = event.get("timeNano") or event.get("time", 0) * SECOND
    actor = event.get("Actor") or {}
    when = f"{rfc3339_local(nanoseconds, fraction=True)} " if nanoseconds else ""
    attributes = actor.get("Attributes") or {}
    shown = ", ".join(f"{name}={attributes[name]}" for name in sorted(attributes))
    text = f"{when}{event.get('Type', '')} {event.get('Action', '')} {actor.get('ID', '')}"
    return f"{text} ({shown})" if shown else text


def _through(source: str) -> Callable[[dict[str, Any]], str]:
    from havre.cli.format_typed import Struct, typed
    from havre.lib.templates import Template, TemplateError

    try:
        template = Template("{{json .}}" if source == "json" else source)
        # An event that says nothing tells a wrong field before any real one has come.
        template.execute(Struct("events.Message", {}, pointer=True))
    except TemplateError as error:
        raise CommandError(f"Error parsing format: {error}", _WRONG_FORMAT) from error

    def show(event: dict[str, Any]) -> str:
        try:
            return template.execute(typed("events.Message", event))
        except TemplateError as error:
            raise CommandError(str(error)) from error

    return show
