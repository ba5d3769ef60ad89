"""``inspect`` for all kinds of objects: JSON indented as the daemon sent it, on one line, or through a template."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.client.errors import DaemonUnreachable
from havre.errors import HavreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from havre.cli.context import Context

    # A reference → the object's type (``format_types``) and the daemon's JSON text. Raises HavreError.
    Finder = Callable[[str], tuple[str, str]]

_INDENT = "    "
_SPACE = " \t\r\n"
_MARKS = "{}[],:"


def inspect(ctx: Context, references: Iterable[str], source: str, find: Finder, *, raw: bool = True) -> int:
    """Print what ``find`` gives for each reference; those not found are named at the end. Docker's exit codes.

    A template that does not fit the object's type is tried on the JSON as it came, unless ``raw`` is False.
    """
    through = None
    if source not in ("", "json"):
        from havre.cli.format_object import through_template

        through = through_template(source, raw=raw)
    shown: list[str] = []
    failures: list[str] = []
    for reference in references:
        try:
            type_name, text = find(reference)
            shown.append(text if through is None else through(type_name, text))
        except DaemonUnreachable:
            raise
        except HavreError as error:
            failures.append(str(error))
    if through is not None:
        ctx.out.write("".join(f"{text}\n" for text in shown) or "\n")
    else:
        whole = f"[{','.join(shown)}]"
        ctx.out.write(f"{indented(whole) if source == '' else compact(whole)}\n")
    if failures:
        raise CommandError("\n".join(failures))
    return 0


def indented(text: str) -> str:
    """JSON over many lines, four spaces a level. Keys keep their order, strings and numbers their spelling."""
    out: list[str] = []
    depth = 0
    for token in _tokens(text):
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
    return "".join(_tokens(text))


def _tokens(text: str) -> Iterator[str]:
    """Strings, brackets, commas, colons, and what stands between them. What is no JSON comes out in pieces, too."""
    start = 0
    while start < len(text):
        char = text[start]
        if char in _SPACE:
            start += 1
            continue
        end = start + 1
        if char == '"':
            end = _string_end(text, end)
        elif char not in _MARKS:
            while end < len(text) and text[end] not in _SPACE and text[end] not in _MARKS and text[end] != '"':
                end += 1
        yield text[start:end]
        start = end


def _string_end(text: str, start: int) -> int:
    """The place after the quote that ends the string whose text begins at ``start``."""
    while (end := text.find('"', start)) >= 0:
        escapes = end
        while text[escapes - 1] == "\\":
            escapes -= 1
        if (end - escapes) % 2 == 0:
            return end + 1
        start = end + 1
    return len(text)
