"""Patterns of repository names: ``*`` stops at a slash, a part that is ``**`` stands for any parts, or none."""

from havre.lib import globs


def check(pattern: str) -> None:
    """ValueError for a pattern that is malformed or could never match a name."""
    parts = pattern.split("/")
    if not all(parts):
        raise ValueError("empty part in pattern")
    for part in parts:
        globs.match(part, "")


def match(pattern: str, name: str) -> bool:
    """Whether the whole of ``name`` fits ``pattern``."""
    names = name.split("/")
    # How many parts of the name may be used up after each part of the pattern: no backtracking, so none is slow.
    reached = {0}
    for part in pattern.split("/"):
        if part == "**":
            reached = set(range(min(reached), len(names) + 1)) if reached else reached
        else:
            reached = {i + 1 for i in reached if i < len(names) and globs.match(part, names[i])}
    return len(names) in reached
