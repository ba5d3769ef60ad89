"""One line of comma-separated fields as Go's ``encoding/csv`` reads it: what ``--mount``, ``--network`` and
``--gpus`` take. More lines are not looked at.
"""

from __future__ import annotations


def split(text: str) -> list[str]:
    """The fields of one line. A field may stand in double quotes (then ``""`` is a quote and commas are text).

    Raises ValueError with Go's reason and column.
    """
    fields: list[str] = []
    text = text.replace("\r\n", "\n").lstrip("\n")
    at = 0
    while True:
        if text.startswith('"', at):
            field, at = _quoted(text, at)
        else:
            end = min(_find(text, ",", at), _find(text, "\n", at))
            field = text[at:end]
            if '"' in field:
                column = len(text[: at + field.index('"')].encode()) + 1
                raise ValueError(f'parse error on line 1, column {column}: bare " in non-quoted-field')
            at = end
        fields.append(field)
        if at >= len(text) or text[at] == "\n":
            break
        at += 1
    if fields == [""]:
        raise ValueError("EOF")
    return fields


def _find(text: str, mark: str, start: int) -> int:
    """Where the mark is, the end where it is not."""
    found = text.find(mark, start)
    return len(text) if found < 0 else found


def _quoted(text: str, start: int) -> tuple[str, int]:
    """The quoted field beginning at ``start`` and the place of the comma (or end) after it."""
    parts: list[str] = []
    at = start + 1
    while True:
        end = text.find('"', at)
        if end < 0:
            column = len(text.encode()) + 1
            raise ValueError(f'parse error on line 1, column {column}: extraneous or missing " in quoted-field')
        parts.append(text[at:end])
        if text.startswith('"', end + 1):
            parts.append('"')
            at = end + 2
            continue
        if end + 1 < len(text) and text[end + 1] not in ",\n":
            column = len(text[:end].encode()) + 1
            raise ValueError(f'parse error on line 1, column {column}: extraneous or missing " in quoted-field')
        return "".join(parts), end + 1
