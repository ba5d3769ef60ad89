"""``havre run``: create, attach, start, and be the container's terminal until it ends."""

from __future__ import annotations

import errno
import os

from havre.cli import creation, runflags, terminal
from havre.cli.errors import CommandError, with_help
from havre.cli.trace import Trace
from havre.client.errors import TooOld
from havre.errors import HavreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser

HELP = "Create and run a new container from an image"
USAGE = "havre run [OPTIONS] IMAGE [COMMAND] [ARG...]"

FAILED = 125
NOT_EXECUTABLE = 126
NOT_FOUND = 127


def configure(parser: Parser) -> None:
    runflags.declare(parser)
    parser.flag("detach", "d", "bool", "Run container in background and print container ID")
    parser.flag("detach-keys", "", "string", "Override the key sequence for detaching a container")
    parser.flag("sig-proxy", "", "bool", "Proxy received signals to the process", default=True)
    parser.flag("trace", "", "string", 'Show afterwards how long each step took ("table", "json")', bare="table")


def run(args: Args, ctx: Context) -> int:
    """Run the container → its exit code; 125, 126 or 127 where it could not be started."""
    creation.refuse_foreign(args)
    if args.detach and args.attach:
        raise CommandError("conflicting options: cannot specify both --attach and --detach")
    trace = Trace(bool(args.trace), ctx.began)
    if args.trace not in ("", "table", "json"):
        raise CommandError(with_help("run", f'invalid --trace: {args.trace}: must be "table" or "json"'), FAILED)
    try:
        body = creation.request_body(args, ctx)
        _settle_streams(args, body)
    except (ValueError, CommandError) as error:
        raise CommandError(with_help("run", str(error)), FAILED) from error
    attached = body["AttachStdin"] or body["AttachStdout"] or body["AttachStderr"]
    if attached:
        stdin = terminal.descriptor_of(ctx.stdin)
        terminal.require_terminal(stdin, body["AttachStdin"], args.tty)
    with trace.step("client", 0.0):
        pass
    if args.trace:
        with trace.step("api"):
            ctx.client.ping()
    try:
        code = _run_attached(args, ctx, body, trace) if attached else _run_detached(args, ctx, body, trace)
    except TooOld:
        raise
    except HavreError as error:
        raise CommandError(with_help("run", str(error)), exit_code(str(error))) from error
    if args.trace:
        _show(trace, args, ctx)
    return code


def _settle_streams(args: Args, body: dict[str, Any]) -> None:
    if not args.detach:
        return
    body["AttachStdin"] = body["AttachStdout"] = body["AttachStderr"] = False
    body.pop("StdinOnce", None)


def _run_detached(args: Args, ctx: Context, body: dict[str, Any], trace: Trace) -> int:
    container = creation.create(args, ctx, body, trace)
    # The id is printed even where the start fails: the container exists.
    ctx.out.write(f"{container}\n")
    ctx.out.flush()
    start(ctx, container, trace)
    return 0


def _run_attached(args: Args, ctx: Context, body: dict[str, Any], trace: Trace) -> int:
    # A container in the background needs no signals, threads and terminals, whose import takes milliseconds.
    from havre.cli.foreground import Foreground

    container = creation.create(args, ctx, body, trace)
    front = Foreground(
        ctx,
        container,
        tty=args.tty,
        stdin=body["AttachStdin"],
        stdout=body["AttachStdout"],
        stderr=body["AttachStderr"],
        keys=args.detach_keys,
        forward=args.sig_proxy,
        remove=args.rm,
        trace=trace,
    )
    return front.run(lambda: start(ctx, container, trace))


def start(ctx: Context, container: str, trace: Trace) -> None:
    """Start the container; the daemon's own steps go into the trace."""
    with trace.step("start") as step:
        response = ctx.client.post(f"/containers/{container}/start")
        response.read()
        step.inside(response.headers)


def exit_code(message: str) -> int:
    """Docker's exit code for a container that could not be started, from the reason."""
    if any(reason in message for reason in ("executable file not found", "no such file or directory")):
        return NOT_FOUND
    if any(os.strerror(number).lower() in message for number in (errno.EACCES, errno.EISDIR)):
        return NOT_EXECUTABLE
    return FAILED


def _show(trace: Trace, args: Args, ctx: Context) -> None:
    title = " ".join(["havre run", *args.args])
    ctx.out.flush()
    ctx.err.write(trace.json(title) if args.trace == "json" else f"\n{trace.table(title)}")
