"""``inspect`` for all kinds of objects: JSON indented as the daemon sent it, on one line, or through a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from havre.cli.errors import CommandError
from havre.cli.format_typed import typed
from havre.client.errors import DaemonUnreachable
from havre.client.jsontext import loads
from havre.errors import HavreError
from havre.lib.templates import Template, TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from havre.cli.context import Context

    # A reference → the object's type (``format_types``) and the daemon's JSON text. Raises HavreError.
    Finder = Callable[[str], tuple[str, str]]

_INDENT = "    "


def inspect(ctx: Context, references: Iterable[str], source: str, find: Finder, *, raw: bool = True) -> int:
    """Print what ``find`` gives for each reference; those not found are named at the end. Docker's exit codes.

    A template that does not fit the object's type is tried on the JSON as it came, unless ``raw`` is False.
    """
    template = None
    if source not in ("", "json"):
        try:
            template = Template(source)
        except TemplateError as error:
            raise CommandError(f"template parsing error: {error}", 64) from error
    shown: list[str] = []
    failures: list[str] = []
    for reference in references:
        try:
            type_name, text = find(reference)
            shown.append(text if template is None else _through(template, type_name, text, raw))
        except DaemonUnreachable:
            raise
        except HavreError as error:
            failures.append(str(error))
    if template is not None:
        ctx.out.write("".join(f"{text}\n" for text in shown) or "\n")
    else:
        whole = f"[{','.join(shown)}]"
        ctx.out.write(f"{indented(whole) if source == '' else compact(whole)}\n")
    if failures:
        raise CommandError("\n".join(failures))
    return 0


def _through(template: Template, type_name: str, text: str, raw: bool) -> str:
    try:
        value = loads(text)
    except ValueError as error:
        raise CommandError(f"unable to read inspect data: {error}") from error
    try:
        try:
            return template.execute(typed(type_name, value))
        except TemplateError:
            if not raw:
                raise
        return template.execute(value, missing_is_error=True)
    except TemplateError as error:
        raise CommandError(f"template parsing error: {error}") from error


def indented(text: str) -> str:
    """JSON over many lines, four spaces a level. Keys keep their order, strings and numbers their spelling."""
    import re

    out: list[str] = []
    depth = 0
    for token in re.findall(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', text):
        if token in "}]":
            depth -= 1
            if out[-1] not in "{[":
                out.append(f"\n{_INDENT * depth}")
        elif out and out[-1] in "{[":
            out.append(f"\n{_INDENT * depth}")
        if token in "{[":
            depth += 1
        out.append(f",\n{_INDENT * depth}" if token == "," else ": " if token == ":" else token)
    return "".join(out)


def compact(text: str) -> str:
    """JSON without white space between its tokens."""
    import re

    return "".join(re.findall(r'"(?:[^"\\]|\\.)*"|[^\s"]+', text))
