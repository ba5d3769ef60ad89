"""Lists on the screen: Docker's default tables, and whatever ``--format`` asks for.

A ``Listing`` names the fields of one kind of object (containers, images, …) and the columns of its table. The table
alone needs nothing more; templates (``format_template``) are imported only when one is given. Below it stand the
words that several lists share.
"""

from __future__ import annotations

from time import time

from havre.cli.table import align
from havre.lib.times import human_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from havre.cli.context import Context

FORMAT_HELP = """Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates"""
INSPECT_FORMAT_HELP = """Format output using a custom template:
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates"""


class Listing:
    """What one kind of object shows.

    ``type_name`` is Go's name for a row, which error texts mention. ``fields`` maps a template's names to a title and a
    function of the row; ``columns`` are the default table's: names of fields, or a title and a function. ``labels``
    gives a row's labels, for ``{{.Label "x"}}``.
    """

    def __init__(
        self,
        type_name: str,
        fields: Mapping[str, tuple[str, Callable[[Any], object]]],
        columns: Iterable[str | tuple[str, Callable[[Any], str]]],
        labels: Callable[[Any], Mapping[str, str] | None] | None = None,
    ) -> None:
        self.type_name = type_name
        self.fields = fields
        self.columns = tuple(columns)
        self.labels = labels

    def table(self, rows: Iterable[Any]) -> str:
        """The default table, its head included."""
        columns = [self.fields[column] if isinstance(column, str) else column for column in self.columns]
        lines = ["\t".join(title for title, _ in columns)]
        lines += ["\t".join([str(show(row)) for _, show in columns]) for row in rows]
        return align("\n".join(lines) + "\n")

    def render(self, rows: Iterable[Any], source: str) -> str:
        """The rows in the format ``source``: ``table``, ``table TEMPLATE``, ``json`` or a template.

        Raises CommandError when the template is wrong.
        """
        if source == "table":
            return self.table(rows)
        from havre.cli.format_template import render

        return render(self, rows, source)


def chosen(given: str, configured: str, quiet: bool, quiet_format: str = "{{.ID}}") -> str:
    """The format of a list: ``--format``, else config.json's (not with ``-q``), else the table.

    ``-q`` makes a plain table into bare ids; another format is left as it is.
    """
    source = given or ("" if quiet else configured) or "table"
    return quiet_format if quiet and source == "table" else source


def show(ctx: Context, listing: Listing, rows: list[Any], source: str) -> None:
    """Print a list. The two commonest forms, the table and bare ids, need no template."""
    if source in ("{{.ID}}", "{{.Name}}"):
        field = listing.fields[source[3:-2]][1]
        ctx.out.write("".join(f"{field(row)}\n" for row in rows))
    else:
        ctx.out.write(listing.render(rows, source))


def ago(seconds: float) -> str:
    """How long ago a moment (seconds since 1970) was: ``3 hours ago``."""
    return f"{human_duration(time() - seconds)} ago"


def ellipsis(text: str, most: int) -> str:
    """``text`` cut to ``most`` places, the last of them a ``…``."""
    from havre.cli.table import width

    if width(text) <= most:
        return text
    kept, room = "", most - 1
    for char in text:
        room -= width(char)
        if room < 0:
            break
        kept += char
    return f"{kept}…"


def joined_labels(labels: Mapping[str, str] | None) -> str:
    """``a=b,c=d``, sorted."""
    return ",".join(sorted(f"{key}={value}" for key, value in (labels or {}).items()))
