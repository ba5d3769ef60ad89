"""``DOCKER_CUSTOM_HEADERS``: headers for every request, as ``name=value`` set apart by commas."""

from __future__ import annotations

from havre.cli import csvline
from havre.cli.errors import CommandError

_VARIABLE = "DOCKER_CUSTOM_HEADERS"


def read(text: str) -> dict[str, str]:
    """The headers. Raises CommandError with Docker's text for what is malformed."""
    try:
        fields = csvline.split(text)
    except ValueError as error:
        raise _wrong("parse", "value must be formatted as comma-separated key=value pairs") from error
    headers: dict[str, str] = {}
    for field in fields:
        name, equals, value = field.partition("=")
        name = name.strip()
        if not name:
            raise _wrong("set", f"value contains a key=value pair with an empty key: '{field}'")
        if not equals:
            raise _wrong("set", f"missing \"=\" in key=value pair: '{field}'")
        headers[name] = value.strip()
    return headers


def _wrong(what: str, why: str) -> CommandError:
    return CommandError(f"failed to {what} custom headers from {_VARIABLE} environment variable: {why}")
