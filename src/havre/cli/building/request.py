"""The command line of ``havre build`` as the body of ``POST /havre/build``, once its contexts have been sent."""

from __future__ import annotations

import os

from havre.cli import limits
from havre.cli.building.context import LocalContext, ignored, key_of
from havre.cli.errors import CommandError
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, BinaryIO

    from havre.cli.context import Context
    from havre.cli.parser import Args

    Json = dict[str, Any]
    Told = Callable[[str, int], None]

_LARGEST_FILE = 16 << 20
_PIECE = 256 * 1024
_REMOTE = ("http://", "https://", "git://", "git@", "ssh://", "github.com/")
_ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_LIMITS = {
    "cgroup_parent": "CgroupParent",
    "shm_size": "ShmSize",
    "add_host": "ExtraHosts",
    "ulimit": "Ulimits",
    "security_opt": "SecurityOpt",
}


def body(args: Args, ctx: Context) -> Json:
    """All but the contexts and the Dockerfile."""
    from havre.cli.building.secrets import secrets
    from havre.cli.keyvalues import pairs

    host = limits.fields(args, limits.OF_BUILDS)
    host |= {field: getattr(args, name) for name, field in _LIMITS.items() if getattr(args, name)}
    return {
        "names": [full_name(text) for text in args.tag],
        "target": args.target,
        "arguments": {**_proxies(ctx), **_arguments(args.build_arg, ctx)},
        "labels": pairs(args.label),
        "platform": args.platform,
        "pull": args.pull,
        "why": args.why,
        "cache_from": args.cache_from,
        "cache_to": args.cache_to,
        "lock": _lock(args.lock) if args.lock else "",
        "call": "check" if args.check else "" if args.call == "build" else args.call,
        "no_cache": args.no_cache,
        "no_cache_filter": [name for text in args.no_cache_filter for name in text.split(",") if name],
        "host": {**host, "NetworkMode": args.network},
        "secrets": secrets(args.secret, ctx.environ),
    }


def add_contexts(args: Args, ctx: Context, asked: Json, told: Told) -> None:
    """Send the contexts, and name them in the body. ``told`` gets what is being sent, and the bytes so far."""
    place = args.args[0]
    if place == "-":
        if args.file == "-":
            raise CommandError("invalid argument: can't use stdin for both build context and dockerfile")
        _from_stdin(args, ctx, asked, told)
    elif place.startswith(_REMOTE):
        asked["context"] = {"url": place}
        _dockerfile(args.file, ctx, asked, inside="")
    else:
        if not os.path.isdir(place):
            raise CommandError(f'unable to prepare context: path "{place}" not found')
        path = _dockerfile(args.file, ctx, asked, inside=place)
        asked["ignored"] = ignored(place, path)
        asked["context"] = {"id": _send(ctx, place, asked["ignored"], "", told)}
    asked["contexts"] = dict(_named(text, ctx, told) for text in args.build_context)


def _named(text: str, ctx: Context, told: Told) -> tuple[str, Json]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise CommandError(f"invalid context value: {text}, expected key=value")
    if value.startswith("docker-image://"):
        return name, {"image": value}
    if value.startswith(_REMOTE):
        return name, {"url": value}
    if value.startswith(("target:", "oci-layout://")):
        raise CommandError(f"havre does not implement the named context {value} yet")
    if not os.path.isdir(value):
        raise CommandError(f'unable to prepare context: path "{value}" not found')
    return name, {"id": _send(ctx, value, ignored(value, ""), name, told)}


def _send(ctx: Context, directory: str, patterns: list[str], name: str, told: Told) -> str:
    """Give the daemon what it has not of the directory; the context's id there."""
    context = LocalContext(directory, patterns)
    title = f"[context {name}] load from client" if name else "[internal] load build context"
    client = ctx.client
    offered = client.post(
        "/havre/build/contexts", {"key": key_of(directory, name)}, stream=_gathered(context.lines())
    ).json()
    sent = 0
    told(title, 0)

    def count(size: int) -> None:
        nonlocal sent
        sent += size
        told(title, sent)

    identity = str(offered["id"])
    if offered["wanted"]:
        pieces = _gathered(context.archive(offered["wanted"], count))
        client.put(f"/havre/build/contexts/{quote(identity)}", stream=pieces).read()
    return identity


def _from_stdin(args: Args, ctx: Context, asked: Json, told: Told) -> None:
    stdin: BinaryIO = ctx.stdin.buffer
    first = stdin.read(512)
    if not (first.startswith(_ARCHIVES) or first[257:262] == b"ustar"):
        if args.file:
            raise CommandError("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles")
        asked["dockerfile"] = (first + stdin.read(_LARGEST_FILE)).decode("utf-8", "replace")
        asked["context"] = {}
        return
    _dockerfile(args.file, ctx, asked, inside="")
    identity = ctx.client.post("/havre/build/contexts", stream=iter(())).json()["id"]
    title, sent = "[internal] load remote build context", 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        data = first
        while data:
            sent += len(data)
            told(title, sent)
            yield data
            data = stdin.read(_PIECE)

    ctx.client.put(f"/havre/build/contexts/{quote(identity)}", stream=pieces()).read()
    asked["context"] = {"id": identity}


def _dockerfile(given: str, ctx: Context, asked: Json, *, inside: str) -> str:
    """Read the Dockerfile, where it is the client that has it; its path. ``inside`` is the context's directory."""
    if given == "-":
        asked["dockerfile"] = ctx.stdin.buffer.read(_LARGEST_FILE).decode("utf-8", "replace")
        return ""
    if not inside:
        asked["filename"] = given or "Dockerfile"
        return ""
    path = given or os.path.join(inside, "Dockerfile")
    if not given and not os.path.lexists(path) and os.path.lexists(os.path.join(inside, "dockerfile")):
        path = os.path.join(inside, "dockerfile")
    if given and not os.path.lexists(given) and os.path.lexists(os.path.join(inside, given)):
        path = os.path.join(inside, given)
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(f"failed to read dockerfile: open {path}: {reason}") from error
    if len(data) > _LARGEST_FILE:
        raise CommandError(f"{path} is larger than {_LARGEST_FILE >> 20} MiB")
    asked["dockerfile"] = data.decode("utf-8", "replace")
    asked["filename"] = os.path.basename(path)
    return path


def _lock(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST_FILE).decode("utf-8", "replace")
    except FileNotFoundError:
        return "record"
    except OSError as error:
        raise CommandError(f"open {path}: {(error.strerror or str(error)).lower()}") from error


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in larger pieces."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        if len(buffer) >= _PIECE:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


def full_name(text: str) -> str:
    """The name of an image with its registry and tag. Raises CommandError."""
    from havre.lib import references

    try:
        return references.parse(text).canonical()
    except ValueError as error:
        raise CommandError(f'invalid tag "{text}": invalid reference format: {error}') from error


def _arguments(texts: Iterable[str], ctx: Context) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if equals:
            found[name] = value
        elif name in ctx.environ:
            found[name] = ctx.environ[name]
    return found


def _proxies(ctx: Context) -> dict[str, str]:
    """config.json's proxies, which every command may use without being told of them."""
    table = ctx.config.table("proxies")
    entry = table.get(ctx.client.endpoint.text) or table.get("default")
    if not isinstance(entry, dict):
        return {}
    known = {"httpProxy": "HTTP_PROXY", "httpsProxy": "HTTPS_PROXY", "ftpProxy": "FTP_PROXY", "noProxy": "NO_PROXY"}
    known["allProxy"] = "ALL_PROXY"
    found = {}
    for key, name in known.items():
        if value := entry.get(key):
            found[name] = found[name.lower()] = str(value)
    return found


def credentials_header(ctx: Context) -> dict[str, str]:
    """Who we are at which registry: base images may come from any."""
    from havre.client.auth import credentials, encode

    domains = {*ctx.config.table("auths"), *ctx.config.table("credHelpers")}
    known = {domain: found for domain in sorted(domains) if (found := credentials(ctx.config, domain))}
    return {"X-Registry-Config": encode(known)} if known else {}
