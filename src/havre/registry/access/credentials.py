"""What a request brings to say who sent it: the Authorization header, read."""

import base64
import binascii
from dataclasses import dataclass

_LONGEST = 32_768


@dataclass(frozen=True, slots=True)
class Password:
    """A name and a password, or a robot's secret."""

    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token."""

    token: str


def read(header: str | None) -> Password | Bearer | None:
    """The credentials in the header, None when there is none. ValueError when it makes no sense."""
    if not header:
        return None
    kind, _, value = header.partition(" ")
    value = value.strip()
    if len(value) > _LONGEST or not value:
        raise ValueError("malformed Authorization header")
    if kind.lower() == "bearer":
        return Bearer(value)
    if kind.lower() != "basic":
        raise ValueError("only Basic and Bearer authorization is known here")
    try:
        name, colon, secret = base64.b64decode(value.encode(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("malformed Basic authorization") from error
    if not colon:
        raise ValueError("malformed Basic authorization")
    return Password(name, secret)
