"""What ``--call`` asks of a Dockerfile, as text: warnings, targets, what a build could be told."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def show(call: str, answer: dict[str, Any]) -> tuple[str, int]:
    """The text, and the exit code."""
    if call == "check":
        return _warnings(answer)
    if call == "targets":
        rows = [
            (f"{one.get('name', '')}{' (default)' if one.get('default') else ''}".strip(), one.get("description", ""))
            for one in answer.get("targets") or ()
        ]
        return _table(("TARGET", "DESCRIPTION"), rows), 0
    return _outline(answer), 0


def _warnings(answer: dict[str, Any]) -> tuple[str, int]:
    found = answer.get("warnings") or []
    if not found:
        return "Check complete, no warnings found.\n", 0
    source = answer["sources"][0]
    lines = source["data"].splitlines()
    noun = "warning has" if len(found) == 1 else "warnings have"
    out = [f"Check complete, {len(found)} {noun} been found!\n"]
    for one in found:
        place = one["location"]["ranges"][0]
        first, last = place["start"]["line"], max(place["start"]["line"], place["end"]["line"])
        out.append(f"\nWARNING: {one['ruleName']}\n{one['detail']}\n")
        if first:
            width = len(str(min(len(lines), last + 2)))
            out.append(f"{source['filename']}:{first}\n{'-' * 20}\n")
            for number in range(max(1, first - 2), min(len(lines), last + 2) + 1):
                mark = ">>>" if first <= number <= last else "   "
                out.append(f"{number:>{width}} | {mark} {lines[number - 1]}\n")
            out.append(f"{'-' * 20}\n")
    return "".join(out), 1


def _outline(answer: dict[str, Any]) -> str:
    name = f"{answer.get('name', '')} {answer.get('description', '')}".strip()
    parts = [f"TARGET: {name}\n"] if name else []
    if arguments := answer.get("args"):
        rows = [(one["name"], one.get("value", ""), one.get("description", "")) for one in arguments]
        parts.append(_table(("BUILD ARG", "VALUE", "DESCRIPTION"), rows))
    for title, key in (("SECRET", "secrets"), ("SSH", "ssh")):
        if wishes := answer.get(key):
            wished = [(one["name"], "true" if one.get("required") else "") for one in wishes]
            parts.append(_table((title, "REQUIRED"), wished))
    return "\n".join(parts)


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    every = [titles, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(titles))]
    lines = ("   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in every)
    return "".join(f"{line}\n" for line in lines)
