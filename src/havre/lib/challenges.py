"""How a registry wants its clients to authenticate: the ``WWW-Authenticate`` header, and what answers it. Both the
client, which asks registries for manifests itself, and the daemon come in here.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way a registry offers to authenticate: ``scheme`` in lower case, parameters by lower-case name."""

    scheme: str
    parameters: dict[str, str]


CLIENT_ID = "docker"
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


def basic(user: str, password: str) -> str:
    """The value of an ``Authorization`` header of scheme Basic; "" without name and password."""
    from binascii import b2a_base64

    if not (user and password):
        return ""
    return "Basic " + b2a_base64(f"{user}:{password}".encode(), newline=False).decode()


def token_question(
    challenge: Challenge, scope: str, user: str = "", refresh: str = "", offline: bool = False
) -> tuple[str, dict[str, str] | None]:
    """The address to ask for a token that answers ``challenge``, and the form to post there; None: it is to be got.

    Several scopes are apart by spaces. ``refresh`` is an identity token, which goes before the name ``user``;
    ``offline`` asks for one.
    """
    from urllib.parse import parse_qsl, urlencode, urlsplit

    realm, service = challenge.parameters.get("realm", ""), challenge.parameters.get("service", "")
    client = {"client_id": CLIENT_ID}
    if refresh:
        form = {"grant_type": "refresh_token", "refresh_token": refresh, "service": service, **client, "scope": scope}
        return realm, form
    query = parse_qsl(urlsplit(realm).query, keep_blank_values=True)
    wanted = [("service", service), *(("scope", each) for each in scope.split())]
    query += [(name, value) for name, value in wanted if value]
    if offline:
        query += [("offline_token", "true"), *client.items()]
    if user:
        query.append(("account", user))
    return urlsplit(realm)._replace(query=urlencode(query)).geturl(), None


def _skip(text: str, position: int) -> int:
    match = _GAP.match(text, position)
    return match.end() if match else position
