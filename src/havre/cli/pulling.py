"""Pulling an image on behalf of ``run`` and ``create``: progress on stderr, credentials from the configuration."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.client.auth import header_for
from havre.lib.references import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context


def pull(ctx: Context, image: str, *, platform: str = "", quiet: bool = False) -> None:
    """Pull ``image``. Raises ApiError or CommandError with the daemon's reason, ValueError for a bad reference."""
    from havre.wire.jsonlines import Decoder

    reference = parse(image)
    query = {
        "fromImage": reference.familiar_name,
        "tag": reference.digest or reference.tag,
        "platform": platform or None,
    }
    response = ctx.client.post("/images/create", query, headers=header_for(ctx.config, reference.domain))
    decoder = Decoder()
    for chunk in response.iter_chunks():
        for message in decoder.feed(chunk):
            if isinstance(message, dict):
                if "error" in message:
                    raise CommandError(str(message["error"]))
                if not quiet and not message.get("progressDetail") and (status := message.get("status")):
                    prefix = f"{message['id']}: " if message.get("id") else ""
                    ctx.err.write(f"{prefix}{status}\n")
