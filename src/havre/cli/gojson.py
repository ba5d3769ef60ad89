"""JSON laid out anew as Go does it, its strings and numbers left as they are written: what ``docker manifest``
prints of documents whose digests depend on every byte.
"""

from __future__ import annotations

import re

# A string, or white space outside of one, or what structures.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[ \t\r\n]+|[{}\[\],:]|[^"\s{}\[\],:]+')
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def compact(text: str) -> str:
    """Without white space between tokens, and what HTML takes for its own escaped."""
    return "".join(_escaped(token) for token in _TOKEN.findall(text) if not token.isspace())


def indented(text: str, unit: str = "\t") -> str:
    """One member a line, each level deeper by ``unit``."""
    out: list[str] = []
    depth, opened = 0, False
    for token in _TOKEN.findall(text):
        if token.isspace():
            continue
        if token in "}]":
            depth -= 1
            out.append(token if opened else f"\n{unit * depth}{token}")
            opened = False
            continue
        if opened:
            out.append(f"\n{unit * depth}")
        opened = token in "{["
        depth += opened
        out.append(f",\n{unit * depth}" if token == "," else ": " if token == ":" else token)
    return "".join(out)


def _escaped(token: str) -> str:
    return "".join(_ESCAPED.get(char, char) for char in token) if token.startswith('"') else token
