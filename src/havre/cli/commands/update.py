"""``havre update``: change the limits and the restart policy of containers."""

from __future__ import annotations

from havre.cli import limits
from havre.cli.createbody import restart_policy
from havre.cli.errors import CommandError
from havre.cli.parser import MANY
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Update configuration of one or more containers"
USAGE = "havre update [OPTIONS] CONTAINER [CONTAINER...]"

_SINCE = {"cpu-rt-period": "1.25", "cpu-rt-runtime": "1.25", "cpus": "1.29", "pids-limit": "1.40"}


def configure(parser: Parser) -> None:
    parser.arity(1, MANY)
    limits.declare(parser, _SINCE)
    parser.flag("kernel-memory", "", "bytes", "Kernel memory limit (which kernels no longer have)", hidden=True)
    parser.flag("restart", "", "string", "Restart policy to apply when a container exits")


def run(args: Args, ctx: Context) -> int:
    """Change each of the containers; the daemon's warnings are printed at the end."""
    if not args.given:
        raise CommandError("you must provide one or more flags when using this command")
    body = limits.fields(args)
    if args.kernel_memory:
        body["KernelMemory"] = args.kernel_memory
    if args.restart:
        try:
            body["RestartPolicy"] = restart_policy(args.restart)
        except ValueError as error:
            raise CommandError(str(error)) from error
    warnings: list[str] = []

    def update(name: str) -> None:
        answer = ctx.client.post(f"/containers/{quote(name)}/update", None, body).json()
        warnings.extend(answer.get("Warnings") or [])

    try:
        return ctx.each(args.args, update)
    finally:
        for warning in warnings:
            ctx.out.write(f"{warning}\n")
