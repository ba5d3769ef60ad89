"""Columns aligned by spaces, by the rules of Go's tabwriter, whose output people's scripts cut apart."""

from __future__ import annotations


def align(text: str, minimum: int = 10, padding: int = 3) -> str:
    """Replace the tabs of ``text`` by spaces. Docker's tables have columns of at least ``minimum`` with ``padding``.

    A column is made of the tab-terminated cells of consecutive lines; what follows a line's last tab belongs to none
    and is not padded.
    """
    if "\t" not in text:
        return text
    lines = [line.split("\t") for line in text.split("\n")]
    for column in range(max(map(len, lines)) - 1):
        start = 0
        while start < len(lines):
            stop = start
            while stop < len(lines) and column < len(lines[stop]) - 1:
                stop += 1
            _pad(lines[start:stop], column, minimum, padding)
            start = max(stop, start + 1)
    return "\n".join(map("".join, lines))


def _pad(lines: list[list[str]], column: int, minimum: int, padding: int) -> None:
    """Make the cells of ``column`` equally wide in all ``lines``."""
    widths = [width(line[column]) for line in lines]
    room = max(minimum, max(widths, default=0) + padding)
    for line, taken in zip(lines, widths, strict=True):
        line[column] += " " * (room - taken)


def width(text: str) -> int:
    """The places ``text`` takes on a terminal: two for wide East Asian characters, none for combining ones."""
    # The mark of a cut text is by far the commonest of the others.
    if text.isascii() or text.replace("…", "").isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(char) in ("Mn", "Me", "Cf") else 2 if east_asian_width(char) in ("W", "F") else 1 for char in text
    )
