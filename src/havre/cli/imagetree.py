"""``havre images --tree``: each image with its platforms below it, in the columns of docker CLI 28.2."""

from __future__ import annotations

import os

from havre.cli.terminal import descriptor_of
from havre.lib.sizes import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TextIO

_GAP = "   "
_NARROWEST = 12  # of the first column; others are left out before it gets narrower
_COLUMNS = (("ID", 12, "<"), ("DISK USAGE", 10, ">"), ("CONTENT SIZE", 12, ">"), ("EXTRA", 5, "^"))
_WIDE = 1000  # what is no terminal takes lines of any length
_WARNING = "WARNING: This is an experimental feature. The output may change and shouldn't be depended on."

_LEGEND = "Info -> U In Use"


def show(images: list[dict[str, Any]], out: TextIO) -> None:
    """Print what ``GET /images/json?manifests=1`` answered."""
    blocks = [_block(image) for image in sorted(images, key=lambda image: -image["Created"])]
    widest = max((len(first) for block in blocks for first, _ in block), default=0)
    columns, room = list(_COLUMNS), max(20, _width(out))
    for number, (_, width, _) in enumerate(_COLUMNS):
        if room - width - len(_GAP) < _NARROWEST:
            columns = columns[:number]
            break
        room -= width + len(_GAP)
    first = min(room, max(widest, len("IMAGE")))
    out.write(f"{_WARNING}\n{_LEGEND}\n{_line('IMAGE', [title for title, _, _ in columns], first, columns)}\n")
    for number, block in enumerate(blocks):
        out.write("\n" if number else "")
        for name, cells in block:
            out.write(f"{_line(name, cells, first, columns)}\n")


def _block(image: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The lines of one image: its names, the last of them with what it takes, then its platforms."""
    children = [each for each in image.get("Manifests") or () if each["Kind"] == "image"]
    content = sum(each["Size"]["Content"] for each in children)
    used = image["Containers"] > 0 or any(each["ImageData"]["Containers"] for each in children)
    *others, last = image["RepoTags"] or ["<untagged>"]
    rows: list[tuple[str, list[str]]] = [(name, []) for name in others]
    rows.append((last, _cells(image["Id"], image["Size"], content, used)))
    for number, each in enumerate(children, start=1):
        branch = "└─ " if number == len(children) else "├─ "
        size, held = each["Size"], bool(each["ImageData"]["Containers"])
        name = branch + _platform(each["ImageData"]["Platform"])
        rows.append((name, _cells(each["ID"], size["Total"], size["Content"], held)))
    return rows


def _cells(identifier: str, total: int, content: int, used: bool) -> list[str]:
    short = identifier.partition(":")[2][:12] or identifier[:12]
    return [short, human_size(total, 3), human_size(content, 3), "U" if used else ""]


def _platform(platform: dict[str, Any]) -> str:
    parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
    return "/".join(part for part in parts if part)


def _line(name: str, cells: Sequence[str], first: int, columns: Sequence[tuple[str, int, str]]) -> str:
    shown = [_cut(name, first).ljust(first)]
    shown += [f"{_cut(cell, width):{align}{width}}" for cell, (_, width, align) in zip(cells, columns, strict=False)]
    return _GAP.join(shown).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _width(out: TextIO) -> int:
    try:
        return os.get_terminal_size(descriptor_of(out)).columns or _WIDE
    except (OSError, ValueError):
        return _WIDE
