"""Lists through Go templates: ``--format TEMPLATE``, ``--format 'table TEMPLATE'`` and ``--format json``."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.table import align
from havre.lib.templates import Record, Template, TemplateError
from havre.lib.templates.functions import HEADER_FUNCTIONS
from havre.lib.templates.values import Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from havre.cli.format import Listing


class Row(Record):
    """An object of a list as templates see it: every field of the listing, each computed when asked for."""

    computed = True

    def __init__(self, listing: Listing, row: Any, used: set[str] | None = None) -> None:
        """``used`` collects the names of the fields a template asks for."""
        self.type_name = listing.type_name
        self._listing = listing
        self._row = row
        self._used = used

    def get(self, name: str) -> object:
        labels = self._listing.labels
        if name == "Label" and labels is not None:
            return Method(lambda key: (labels(self._row) or {}).get(key, ""), ("string",))
        value = self._listing.fields[name][1](self._row)
        if self._used is not None:
            self._used.add(name)
        return value

    def items(self) -> Iterable[tuple[str, object]]:
        return [(name, self.get(name)) for name in sorted(self._listing.fields)]


class _Head(Record):
    """The titles, as a row: what a table's first line is made of."""

    type_name = "formatter.SubHeaderContext"

    def __init__(self, listing: Listing) -> None:
        self._fields = listing.fields

    def get(self, name: str) -> object:
        if name == "Label":
            return Method(_label_title, ("string",))
        return self._fields[name][0] if name in self._fields else None


def _label_title(name: str) -> str:
    return name.rpartition(".")[2].replace("-", " ").replace("_", " ")


def parse(source: str) -> Template:
    """The template in a format; a ``table`` before it and the escapes ``\\t`` and ``\\n`` are seen to.

    Raises CommandError.
    """
    text = source.removeprefix("table")
    if source == "json":
        text = "{{json .}}"
    text = text.strip(" ").replace("\\t", "\t").replace("\\n", "\n")
    try:
        return Template(text)
    except TemplateError as error:
        raise CommandError(f"template parsing error: {error}") from error


def render(listing: Listing, rows: Iterable[Any], source: str) -> str:
    """Every row through the template, a line each, under its titles if it is a table. Raises CommandError."""
    template = parse(source)
    try:
        body = "".join(f"{template.execute(Row(listing, row))}\n" for row in rows)
    except TemplateError as error:
        raise CommandError(f"template parsing error: {error}") from error
    if not source.startswith("table"):
        return body
    try:
        head = template.execute(_Head(listing), functions=HEADER_FUNCTIONS)
    except TemplateError as error:
        # A title that cannot be made is no reason not to print the rows.
        head = error.output
    return align(f"{head}\n{body}")


def fields_used(listing: Listing, source: str, row: Any) -> set[str]:
    """The fields ``source`` asks of ``row``, to know what to ask the daemon for. Raises TemplateError."""
    used: set[str] = set()
    Template(source).execute(Row(listing, row, used))
    return used
