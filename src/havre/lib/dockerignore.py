"""``.dockerignore``: which files of a build context are left out.

Patterns are Go's file globs plus ``**`` (any number of directories) and ``!`` (take back in); the last one that fits
decides. A directory that fits takes everything below it along. The client comes in here when it sends a context, the
daemon when it reads one from a tar or from git.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from havre.errors import InvalidParameter
from havre.lib.patterns import Pattern

MAX_BYTES = 1 << 20
# A pattern with more wildcards than these could keep ``re`` trying for ever; it is followed all ways at once instead.
_MOST_WILDCARDS = 4
_Test = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class _Rule:
    """``beginnings`` fits the directories in which a path may lie that the whole fits."""

    whole: _Test
    beginnings: tuple[_Test, ...]
    takes_back: bool


def patterns_of(data: bytes) -> list[str]:
    """The patterns of a ``.dockerignore`` file, cleaned as Docker cleans them; comments and empty lines left out."""
    text = data[:MAX_BYTES].decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    out: list[str] = []
    for line in text.split("\n"):
        line = line.rstrip("\r")
        if line.startswith("#"):
            continue
        pattern = line.strip()
        back = pattern.startswith("!")
        pattern = pattern[1:].strip() if back else pattern
        if not pattern and not back:
            continue
        pattern = _clean(pattern)
        # The root of the context is where patterns are read from, with a slash in front or without.
        if len(pattern) > 1 and pattern.startswith("/"):
            pattern = pattern[1:]
        out.append("!" + pattern if back else pattern)
    return out


class Ignore:
    """Asks of each path whether it is left out. Paths are relative to the context, with ``/``, without ``./``."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """Raises ``InvalidParameter`` for a pattern that is none."""
        self._rules = [_rule(pattern) for pattern in patterns if pattern.strip()]
        self.takes_back = any(rule.takes_back for rule in self._rules)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def leaves_out(self, path: str) -> bool:
        """Whether the file or directory at ``path`` is not part of the context."""
        parents = [path[:at] for at, sign in enumerate(path) if sign == "/"]
        out = False
        for rule in self._rules:
            # A rule that would change nothing need not be asked.
            if rule.takes_back == out and (rule.whole(path) or any(rule.whole(parent) for parent in parents)):
                out = not out
        return out

    def may_skip(self, directory: str) -> bool:
        """Whether nothing below ``directory``, which is left out itself, can be part of the context again."""
        if not self.takes_back:
            return True
        return not any(
            rule.takes_back and any(beginning(directory) for beginning in rule.beginnings) for rule in self._rules
        )


def _clean(pattern: str) -> str:
    """The shortest path that means the same (Go's ``filepath.Clean``)."""
    rooted = pattern.startswith("/")
    out: list[str] = []
    for part in pattern.split("/"):
        if part in ("", "."):
            continue
        if part == ".." and out and out[-1] != "..":
            out.pop()
        elif part != ".." or not rooted:
            out.append(part)
    return ("/" if rooted else "") + "/".join(out) or "."


def _rule(pattern: str) -> _Rule:
    pattern = pattern.strip()
    back = pattern.startswith("!")
    text = _clean(pattern[1:] if back else pattern)
    if back and text == ".":
        raise InvalidParameter('illegal exclusion pattern: "!"')
    if len(text) > 1:
        text = text.removeprefix("/")
    return _Rule(_test(text, pattern), tuple(_beginnings(text, pattern)), back)


def _beginnings(text: str, pattern: str) -> Iterable[_Test]:
    """What fits the directories above a path that ``text`` fits; after ``**`` that may be any."""
    parts = text.split("/")
    for count in range(1, len(parts) + 1):
        if "**" in parts[count - 1]:
            yield _test("/".join([*parts[: count - 1], "**"]), pattern)
            return
        yield _test("/".join(parts[:count]), pattern)


def _test(text: str, pattern: str) -> _Test:
    """What says whether a path fits the whole of ``text``."""
    if text == ".":
        return lambda path: False  # the context itself is never left out
    regex = _regex(text, pattern)
    if text.count("*") <= _MOST_WILDCARDS:
        return re.compile(regex, re.DOTALL).fullmatch
    return Pattern(rf"(?s)\A(?:{regex})\z").found_in


def _regex(text: str, pattern: str) -> str:
    """The regular expression of a cleaned pattern. ``pattern`` is what its author wrote, for the error."""
    out: list[str] = []
    at = 0
    while at < len(text):
        sign = text[at]
        if text.startswith("**", at):
            at += 2
            while text.startswith("*", at):
                at += 1
            if text.startswith("/", at):
                at += 1
                out.append("(?:.*/)?")
            else:
                out.append(".*")
        elif sign == "*":
            out.append("[^/]*")
            at += 1
        elif sign == "?":
            out.append("[^/]")
            at += 1
        elif sign == "[":
            part, at = _class(text, at + 1, pattern)
            out.append(part)
        else:
            if sign == "\\":
                at += 1
                if at == len(text):
                    raise InvalidParameter(f"syntax error in pattern: {pattern}")
                sign = text[at]
            out.append(re.escape(sign))
            at += 1
    return "".join(out)


def _class(text: str, at: int, pattern: str) -> tuple[str, int]:
    """A class of characters, which begins behind its bracket."""
    negated = text.startswith("^", at)
    at += negated
    ranges: list[str] = []
    while not (text.startswith("]", at) and ranges):
        low, at = _member(text, at, pattern)
        high = low
        if text.startswith("-", at):
            high, at = _member(text, at + 1, pattern)
        if low > high:
            raise InvalidParameter(f"syntax error in pattern: {pattern}")
        ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    inside = "".join(ranges)
    return f"[{'^' * negated}{inside}]", at + 1


def _member(text: str, at: int, pattern: str) -> tuple[str, int]:
    if text.startswith("\\", at):
        at += 1
    elif at >= len(text) or text[at] in "-]":
        raise InvalidParameter(f"syntax error in pattern: {pattern}")
    if at >= len(text):
        raise InvalidParameter(f"syntax error in pattern: {pattern}")
    return text[at], at + 1
