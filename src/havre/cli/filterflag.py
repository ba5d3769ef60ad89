"""The ``--filter`` flag: ``name=value``, repeatable."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from havre.cli.parser import Parser


def declare(parser: Parser, short: str = "", help: str = "Filter output based on conditions provided") -> None:
    parser.flag("filter", short, "list", help, word="filter", convert=_read)


def _read(text: str) -> tuple[str, str]:
    if not text:
        return "", ""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError("bad format of filter (expected name=value)")
    return name.strip().lower(), value.strip()


def collected(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, bool]] | None:
    """The API's form of the filters given; None when there are none, so that the query leaves them out."""
    filters: dict[str, dict[str, bool]] = {}
    for name, value in pairs:
        if name or value:
            filters.setdefault(name, {})[value] = True
    return {name: filters[name] for name in sorted(filters)} or None
