"""How a registry wants its clients to authenticate: the ``WWW-Authenticate`` header. Both ends come in here."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way a registry offers to authenticate: ``scheme`` in lower case, parameters by lower-case name."""

    scheme: str
    parameters: dict[str, str]


_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}[^\s,]*))')
_SCHEME = re.compile(rf"({_TOKEN})(?:\s+|$|(?=,))")
_GAP = re.compile(r"[\s,]*")


def parse_challenges(headers: list[str]) -> tuple[Challenge, ...]:
    """Read ``WWW-Authenticate`` headers (RFC 9110, section 11.6.1); what does not parse ends its header only."""
    found: list[Challenge] = []
    for header in headers:
        position = 0
        current: Challenge | None = None
        while position < len(header):
            position = _skip(header, position)
            if current is not None and (match := _PARAMETER.match(header, position)):
                name, quoted, plain = match.groups()
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
                current.parameters[name.lower()] = value
            elif match := _SCHEME.match(header, position):
                current = Challenge(match[1].lower(), {})
                found.append(current)
            else:
                break
            position = match.end()
    return tuple(found)


def _skip(text: str, position: int) -> int:
    match = _GAP.match(text, position)
    return match.end() if match else position
