"""Names of objects as people type them: as parts of a request's path, and as images of a registry."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.lib.references import Reference


def part(kind: str, name: str) -> str:
    """``name`` quoted for a path; ``kind`` is container, image, volume or network.

    Raises CommandError for an empty name, which would make the path that of the whole list.
    """
    if not name.strip():
        raise CommandError("Error: No such image: " if kind == "image" else _EMPTY.format(kind))
    # The slash, the tag and the digest of an image's name stay readable, as they do in Docker's requests.
    return quote(name, "/:@" if kind == "image" else "")


def remote_image(ctx: Context, text: str, *, every_tag: bool, quiet: bool) -> Reference:
    """What to pull or push: with a tag, ``latest`` if none is given (which is said), or without for ``--all-tags``.

    Raises CommandError.
    """
    from havre.lib.references import DEFAULT_TAG, parse

    try:
        reference = parse(text, default_tag=None)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if reference.tag or reference.digest:
        if every_tag:
            raise CommandError("tag can't be used with --all-tags/-a")
        return reference
    if every_tag:
        return reference
    if not quiet:
        ctx.out.write(f"Using default tag: {DEFAULT_TAG}\n")
        ctx.out.flush()
    return reference.with_tag(DEFAULT_TAG)


_EMPTY = "invalid {} name or ID: value is empty"
