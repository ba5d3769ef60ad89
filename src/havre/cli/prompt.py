"""Asking before something is deleted."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context


def confirm(ctx: Context, question: str) -> bool:
    """Ask ``question`` on the terminal; anything but ``y`` (or ``Y``) is a no, the end of input too."""
    ctx.out.write(f"{question} [y/N] ")
    ctx.out.flush()
    return ctx.stdin.readline().strip().lower() == "y"
