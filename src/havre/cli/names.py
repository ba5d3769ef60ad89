"""Names of objects as parts of a request's path."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.client.query import quote


def part(kind: str, name: str) -> str:
    """``name`` quoted for a path; ``kind`` is container, image, volume or network.

    Raises CommandError for an empty name, which would make the path that of the whole list.
    """
    if not name.strip():
        raise CommandError("Error: No such image: " if kind == "image" else _EMPTY.format(kind))
    # The slash, the tag and the digest of an image's name stay readable, as they do in Docker's requests.
    return quote(name, "/:@" if kind == "image" else "")


_EMPTY = "invalid {} name or ID: value is empty"
