"""Shell patterns inside substitutions (``${NAME#pattern}``): ``*``, ``?``, backslashes; found in bounded time.

All ways through a pattern are followed at once, so that no pattern makes a build's reading slow.
"""

from havre.dockerfile.faults import DockerfileError

_ANY = 0  # `?`
_MANY = 1  # `*`
_Pattern = list[str | int]


def parse(pattern: str) -> _Pattern:
    """``pattern`` as signs, ``?`` and ``*``. Raises ``DockerfileError`` for an escape that protects nothing."""
    out: _Pattern = []
    signs = iter(pattern)
    for sign in signs:
        if sign == "*":
            if not out or out[-1] != _MANY:
                out.append(_MANY)
        elif sign == "?":
            out.append(_ANY)
        elif sign == "\\":
            protected = next(signs, None)
            if protected is None:
                raise DockerfileError(f"invalid pattern {pattern!r}: it ends with an escape")
            out.append(protected)
        else:
            out.append(sign)
    return out


def ends(pattern: _Pattern, text: str, start: int = 0) -> list[int]:
    """Where a match that begins at ``start`` can end, the nearest first."""
    reached = [start]
    for token in pattern:
        if token == _MANY:
            reached = list(range(reached[0], len(text) + 1))
        elif token == _ANY:
            reached = [at + 1 for at in reached if at < len(text)]
        else:
            reached = [at + 1 for at in reached if at < len(text) and text[at] == token]
        if not reached:
            break
    return reached


def without_prefix(text: str, pattern: str, longest: bool) -> str:
    """``text`` without its beginning that fits ``pattern``."""
    found = ends(parse(pattern), text)
    return text[found[-1 if longest else 0] :] if found else text


def without_suffix(text: str, pattern: str, longest: bool) -> str:
    """``text`` without its end that fits ``pattern``."""
    found = ends(parse(pattern)[::-1], text[::-1])
    return text[: len(text) - found[-1 if longest else 0]] if found else text


def replaced(text: str, pattern: str, by: str, everywhere: bool) -> str:
    """``text`` with the first (or every) longest part that fits ``pattern`` become ``by``."""
    tokens = parse(pattern)
    out: list[str] = []
    at = 0
    while at <= len(text):
        found = ends(tokens, text, at)
        if found and found[-1] > at:
            out.append(by)
            at = found[-1]
            if not everywhere:
                break
        else:
            out.append(text[at : at + 1])
            at += 1
    return "".join(out) + text[at:]
