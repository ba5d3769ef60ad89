"""``--output``, ``--push``, ``--load``: where the result goes."""

from __future__ import annotations

import os

from havre.cli.errors import CommandError
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, BinaryIO

    from havre.cli.context import Context
    from havre.cli.parser import Args

_KINDS = ("local", "tar", "docker", "oci", "image", "registry")


class Output:
    """One destination. ``kind`` is one of ``_KINDS``; ``path`` "" where it goes to no file, ``-`` for stdout."""

    def __init__(self, kind: str, path: str = "", push: bool = False, names: Iterable[str] = ()) -> None:
        self.kind = kind
        self.path = path
        self.push = push
        self.names = list(names)

    @property
    def is_tree(self) -> bool:
        """Whether it takes the files alone, and no image is made."""
        return self.kind in ("local", "tar")


def output(args: Args) -> Output:
    """What the flags say. Raises CommandError for what cannot be."""
    if args.push and args.output:
        raise CommandError("push and output cannot be used together yet: use --output type=registry")
    if len(args.output) > 1:
        raise CommandError("havre does not implement several outputs of one build yet")
    found = _read(args.output[0]) if args.output else Output("image", push=args.push)
    if found.push and not (args.tag or found.names):
        raise CommandError("tag is needed when pushing to registry")
    return found


def _read(text: str) -> Output:
    from havre.cli import csvline

    items = csvline.split(text)
    if len(items) == 1 and "=" not in items[0]:
        return Output("tar", "-") if items[0] == "-" else Output("local", items[0])
    fields = dict(item.partition("=")[::2] for item in items)
    kind, path = fields.pop("type", ""), fields.pop("dest", "")
    if not kind:
        raise CommandError("type is required for output")
    if kind not in _KINDS:
        raise CommandError(f"unsupported output type {kind}: it is one of {', '.join(_KINDS)}")
    push, names = kind == "registry", []
    if kind not in ("local", "tar"):
        push = _truth("push", fields.pop("push", "false")) or push
        names = [name for name in fields.pop("name", "").split(",") if name]
    if fields:
        raise CommandError(f"havre does not implement the output option {sorted(fields)[0]} yet")
    if kind == "local" and not path:
        raise CommandError("dest is required for local output")
    if kind in ("tar", "oci") and not path:
        path = "-"
    if path and kind in ("image", "registry"):
        raise CommandError(f"dest is not an option of the output {kind}")
    return Output(kind, path, push, names)


def _truth(name: str, text: str) -> bool:
    from havre.lib.booleans import parse_bool

    value = parse_bool(text)
    if value is None:
        raise CommandError(f"invalid value of the output option {name}: {text}")
    return value


def check(args: Args, found: Output, ctx: Context) -> None:
    """Refuse to write an archive on a terminal, and what only an image has where there will be none."""
    for flag in ("load", "iidfile", "metadata_file"):
        if found.is_tree and getattr(args, flag):
            shown = flag.replace("_", "-")
            raise CommandError(f"--{shown} cannot be used with the output {found.kind}, which makes no image")
    if found.path == "-" and ctx.out.isatty():
        raise CommandError("refusing to write the result to a terminal: give --output dest=FILE, or redirect stdout")


class TreeSink:
    """Takes the archive of a tree as it comes: unpacked into a directory, or as it is into a file."""

    def __init__(self, found: Output, ctx: Context) -> None:
        self._file: BinaryIO | None = None
        self._pipe: Any = None
        if found.kind == "tar":
            self._file = ctx.out.buffer if found.path == "-" else _created(found.path)
            return
        self._unpack(found.path)

    def take(self, piece: str) -> None:
        """A piece in base64."""
        from binascii import a2b_base64

        if self._file is not None:
            self._file.write(a2b_base64(piece))

    def close(self, whole: bool) -> None:
        """All has come, or (not ``whole``) no more will."""
        if self._file is None:
            return
        if self._pipe is None:
            self._file.flush()
            return
        self._file.close()
        if self._pipe.wait() and whole:
            raise CommandError("unpacking the result failed: see above")

    def _unpack(self, path: str) -> None:
        import subprocess

        os.makedirs(path, exist_ok=True)
        words = ["tar", "-x", "-f", "-", "--no-same-owner", "-C", path]
        try:
            self._pipe = subprocess.Popen(words, stdin=subprocess.PIPE)
        except FileNotFoundError:
            raise CommandError("tar is not installed: it is needed for --output type=local") from None
        self._file = self._pipe.stdin


def deliver(found: Output, ctx: Context, image: str, names: list[str]) -> None:
    """Bring an image to where it shall go beside the engine. ``names`` are its names, written out in full."""
    if found.kind in ("docker", "oci") and found.path:
        wanted = names or [image]
        response = ctx.client.get("/images/get", {"names": wanted})
        file = ctx.out.buffer if found.path == "-" else _created(found.path)
        for chunk in response.iter_chunks():
            file.write(chunk)
        file.flush()
        if found.path != "-":
            file.close()
    if found.push:
        for name in names:
            _push(ctx, name)


def _push(ctx: Context, name: str) -> None:
    from havre.cli.progress import follow
    from havre.client.auth import credentials, encode
    from havre.lib import references

    reference = references.parse(name)
    headers = {"X-Registry-Auth": encode(credentials(ctx.config, reference.domain))}
    path = f"/images/{quote(reference.repository)}/push"
    follow(ctx.client.post(path, {"tag": reference.tag}, headers=headers), None)


def _created(path: str) -> BinaryIO:
    try:
        return open(path, "wb")
    except OSError as error:
        raise CommandError(f"open {path}: {(error.strerror or str(error)).lower()}") from error
