"""Pulling an image on behalf of ``run`` and ``create``: progress on stderr, credentials from the configuration."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.progress import follow
from havre.client.auth import header_for
from havre.lib.references import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context


def pull(ctx: Context, image: str, platform: str | None, quiet: bool) -> None:
    """Pull ``image``. Raises ApiError or CommandError with the daemon's reason."""
    try:
        reference = parse(image)
    except ValueError as error:
        raise CommandError(str(error)) from error
    query = {"fromImage": reference.repository, "tag": reference.digest or reference.tag, "platform": platform}
    response = ctx.client.post("/images/create", query, headers=header_for(ctx.config, reference.domain))
    follow(response, None if quiet else ctx.err)
