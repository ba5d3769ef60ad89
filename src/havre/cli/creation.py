"""Creating a container as ``run`` and ``create`` do: the image is pulled where it is missing, the id goes into
the cidfile.
"""

from __future__ import annotations

import os

from havre.cli import createbody, terminal
from havre.cli.errors import CommandError
from havre.client.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args
    from havre.cli.trace import Trace

_WINDOWS_ONLY = ("cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops")
PULL = ("always", "missing", "never")


def refuse_foreign(args: Args) -> None:
    """Raises CommandError where flags are given that mean something on Windows only."""
    if wrong := [flag for flag in _WINDOWS_ONLY if args.changed(flag)]:
        text = "only supported on a havre daemon running on windows, but the havre daemon is running on linux"
        raise CommandError("\n".join(f'"--{flag}" is {text}' for flag in wrong))


def request_body(args: Args, ctx: Context) -> dict[str, Any]:
    """The create request of the command line. Raises ValueError with Docker's texts."""
    if args.pull not in (*PULL, ""):
        raise ValueError(f'invalid pull option: \'{args.pull}\': must be one of "always", "missing" or "never"')
    if not args.disable_content_trust or ctx.environ.get("DOCKER_CONTENT_TRUST", "") not in ("", "0", "false"):
        raise ValueError("content trust (--disable-content-trust=false, DOCKER_CONTENT_TRUST) is not supported")
    proxies = ctx.config.table("proxies")
    body = createbody.build(args, ctx.environ, proxies.get(ctx.client.endpoint.text) or proxies.get("default"))
    body["HostConfig"]["ConsoleSize"] = list(terminal.size(terminal.descriptor_of(ctx.out)))
    return body


def create(args: Args, ctx: Context, body: dict[str, Any], trace: Trace) -> str:
    """Create the container → its id. Warnings go to stderr."""
    image = body["Image"]
    _check_image(image)
    auths = _share_socket(ctx, body) if args.use_api_socket else None
    with _CidFile(args.cidfile) as cidfile:
        if args.pull == "always":
            _pull(args, ctx, image, trace)
        try:
            answer = _post(args, ctx, body, trace)
        except ApiError as error:
            if args.pull != "missing" or not _lacks_image(error):
                raise
            if not args.quiet:
                ctx.err.write(f"Unable to find image '{_familiar(image)}' locally\n")
                ctx.err.flush()
            _pull(args, ctx, image, trace)
            answer = _post(args, ctx, body, trace)
        container = str(answer["Id"])
        for warning in [*(answer.get("Warnings") or []), *_dns_warnings(args.dns)]:
            ctx.err.write(f"WARNING: {warning}\n")
        cidfile.write(container)
    if auths:
        from havre.cli import apisocket

        apisocket.bring(ctx, container, auths)
    return container


def _share_socket(ctx: Context, body: dict[str, Any]) -> dict[str, dict[str, str]]:
    from havre.cli import apisocket

    return apisocket.share(ctx, body)


def _check_image(image: str) -> None:
    """Raises CommandError for what cannot be an image's name. Plain ones are left to the daemon, for the time it takes
    to import their grammar.
    """
    if image and not image.strip("abcdefghijklmnopqrstuvwxyz0123456789._-/:@"):
        return
    from havre.lib.references import parse

    try:
        parse(image)
    except ValueError as error:
        raise CommandError(str(error)) from error


def _post(args: Args, ctx: Context, body: dict[str, Any], trace: Trace) -> dict[str, Any]:
    query = {"name": args.name or None, "platform": _platform(args, ctx)}
    with trace.step("create") as step:
        try:
            response = ctx.client.post("/containers/create", query, body)
        except ApiError as error:
            if _lacks_image(error):
                step.rename("image check")
            raise
        answer: dict[str, Any] = response.json()
        step.inside(response.headers)
    return answer


def _lacks_image(error: ApiError) -> bool:
    """Whether it was the image that is not there (for this platform), and not something else the request names."""
    text = error.message.lower()
    return error.status == 404 and ("such image" in text or "does not match the specified platform" in text)


def _platform(args: Args, ctx: Context) -> str | None:
    text = args.platform or ctx.environ.get("DOCKER_DEFAULT_PLATFORM", "")
    if not text:
        return None
    from havre.cli.platformflag import full

    return full(text)


def _pull(args: Args, ctx: Context, image: str, trace: Trace) -> None:
    from havre.cli.pulling import pull

    with trace.step("pull"):
        pull(ctx, image, _platform(args, ctx), args.quiet)


def _familiar(image: str) -> str:
    from havre.lib.references import parse

    try:
        return parse(image).familiar()
    except ValueError:
        return image


def _dns_warnings(servers: list[str]) -> list[str]:
    return [
        f"Localhost DNS ({server}) may fail in containers."
        for server in servers
        if server == "::1" or (server.startswith("127.") and "." in server)
    ][:1]


class _CidFile:
    """``--cidfile``: made before the container, so that two runs cannot share it, and taken away if there will
    be none.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._written = False

    def __enter__(self) -> _CidFile:
        if self._path:
            try:
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            except FileExistsError:
                raise CommandError(
                    "container ID file found, make sure the other container isn't running or delete " + self._path
                ) from None
            except OSError as error:
                reason = f"open {self._path}: {(error.strerror or '').lower()}"
                raise CommandError(f"failed to create the container ID file: {reason}") from error
        return self

    def write(self, container: str) -> None:
        if self._path:
            with open(self._path, "w", encoding="ascii") as file:
                file.write(container)
            self._written = True

    def __exit__(self, *_: object) -> None:
        if self._path and not self._written:
            try:
                os.unlink(self._path)
            except FileNotFoundError:
                pass
