"""What only an experimental daemon does: asked for before it is tried, as Docker's client does."""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context


def require(ctx: Context, *names: str) -> None:
    """Raises CommandError with a line for each of ``names`` (of flags or commands) unless the daemon is one."""
    if names and ctx.client.ping().get("docker-experimental") != "true":
        why = "is only supported on a havre daemon with experimental features enabled"
        raise CommandError("\n".join(f"{name} {why}" for name in names))
