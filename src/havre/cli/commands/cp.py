"""``havre cp``: copy between a container's filesystem and the local one, or a tar stream on stdin or stdout."""

from __future__ import annotations

from havre.cli import copypaths as paths
from havre.cli import terminal
from havre.cli.errors import CommandError
from havre.client.errors import ApiError, ProtocolError
from havre.client.jsontext import loads
from havre.client.query import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from havre.cli.context import Context
    from havre.cli.parser import Args, Parser
    from havre.client.response import Response

HELP = """Copy files/folders between a container and the local filesystem

Use '-' as the source to read a tar archive from stdin and unpack it in a
directory of a container, as the destination to write one to stdout."""
USAGE = "havre cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\nhavre cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH"

STAT_HEADER = "x-docker-container-path-stat"
# Go's file mode bits, as the API's path stat has them.
MODE_DIR = 1 << 31
MODE_SYMLINK = 1 << 27
MODE_DEVICE = 1 << 26
MODE_IRREGULAR = 1 << 19
_PIECE = 262144


def configure(parser: Parser) -> None:
    parser.arity(2)
    parser.flag("archive", "a", "bool", "Archive mode (copy all uid/gid information)")
    parser.flag("follow-link", "L", "bool", "Always follow symlinks in SRC_PATH")
    parser.flag("quiet", "q", "bool", "Suppress progress output (the default where no terminal is attached)")


def run(args: Args, ctx: Context) -> int:
    source, destination = args.args
    if not source:
        raise CommandError("source can not be empty")
    if not destination:
        raise CommandError("destination can not be empty")
    from_container, source = paths.split_argument(source)
    to_container, destination = paths.split_argument(destination)
    if from_container and to_container:
        raise CommandError("copying between containers is not supported")
    if from_container:
        _copy_out(args, ctx, from_container, source, destination)
    elif to_container:
        _copy_in(args, ctx, source, to_container, destination)
    else:
        raise CommandError("must specify at least one container source")
    return 0


def _copy_out(args: Args, ctx: Context, container: str, source: str, destination: str) -> None:
    if destination != "-":
        destination = paths.absolute(destination)
        paths.check_output(destination)
    rename = ""
    if args.follow_link:
        source, rename = _followed(ctx, container, source)
    response = ctx.client.get(f"/containers/{quote(container)}/archive", {"path": source})
    pieces = response.iter_chunks()
    if destination == "-":
        for piece in pieces:
            ctx.out.buffer.write(piece)
        ctx.out.buffer.flush()
        return
    found = _path_stat(response)
    is_dir = bool(found["mode"] & MODE_DIR)
    plan = paths.plan(paths.Place(source, True, is_dir, rename), paths.local_destination(destination))
    base = paths.split_entry(source)[1]
    from havre.cli.unpack import Unpacker

    with _Progress(ctx, args, "Copying from container - ") as progress:
        size = Unpacker(plan.directory, base, _Renamed(base, rename, plan)).unpack(progress.counted(pieces))
    progress.report(size if is_dir else found["size"], destination)


class _Renamed:
    """Names of the container's archive → names at the destination: the followed link's name first, then the plan's."""

    def __init__(self, base: str, rename: str, plan: paths.Plan) -> None:
        self._base = base
        self._rename = rename
        self._plan = plan

    def __call__(self, name: str) -> str:
        if self._rename:
            name = paths.rebase(name, self._base, self._rename)
        return self._plan.name(name)


def _followed(ctx: Context, container: str, source: str) -> tuple[str, str]:
    try:
        found = _stat(ctx, container, source)
    except ApiError:
        # The copy itself will say what is wrong.
        return source, ""
    if not found["mode"] & MODE_SYMLINK:
        return source, ""
    return paths.rename_for(source, paths.join_link(source, found["linkTarget"]))


def _copy_in(args: Args, ctx: Context, source: str, container: str, destination: str) -> None:
    place = _container_destination(ctx, container, destination)
    query = {"path": place.path, "noOverwriteDirNonDir": "true", "copyUIDGID": "true" if args.archive else None}
    target = f"/containers/{quote(container)}/archive"
    if source == "-":
        if not place.is_dir:
            raise CommandError(f'destination "{container}:{destination}" must be a directory')
        ctx.client.put(target, query, stream=_stdin(ctx)).read()
        return
    from havre.cli.pack import Packer, content_size

    found = paths.local_source(paths.absolute(source), args.follow_link)
    plan = paths.plan(found, place)
    query["path"] = plan.directory
    directory, name = paths.split_entry(found.path)
    packer = Packer(directory, name, _Renamed(name, found.rename, plan))
    with _Progress(ctx, args, "Copying to container - ") as progress:
        ctx.client.put(target, query, stream=progress.counted(packer.stream())).read()
    if not progress.quiet:
        progress.report(content_size(found.path), f"{container}:{place.path}")


def _container_destination(ctx: Context, container: str, path: str) -> paths.Place:
    """The destination as far as it exists; what cannot be looked at is left to the daemon to refuse."""
    place = paths.Place(path)
    try:
        found = _stat(ctx, container, path)
        if found["mode"] & MODE_SYMLINK:
            place.path = paths.join_link(path, found["linkTarget"])
            found = _stat(ctx, container, place.path)
    except ApiError:
        return place
    for bit, text in ((MODE_DEVICE, "got a device"), (MODE_IRREGULAR, "got an irregular file")):
        if found["mode"] & bit:
            raise CommandError(f'destination "{container}:{path}" must be a directory or a regular file: {text}')
    place.exists, place.is_dir = True, bool(found["mode"] & MODE_DIR)
    return place


def _stat(ctx: Context, container: str, path: str) -> dict[str, Any]:
    with ctx.client.head(f"/containers/{quote(container)}/archive", {"path": path}) as response:
        response.read()
        return _path_stat(response)


def _path_stat(response: Response) -> dict[str, Any]:
    from binascii import Error, a2b_base64

    try:
        found = loads(a2b_base64(response.headers[STAT_HEADER]))
        return {
            "mode": int(found["mode"]),
            "size": int(found["size"]),
            "linkTarget": str(found.get("linkTarget") or ""),
        }
    except (KeyError, ValueError, TypeError, Error) as error:
        raise ProtocolError(f"unable to decode container path stat header: {error}") from error


def _stdin(ctx: Context) -> Iterator[bytes]:
    while data := ctx.stdin.buffer.read(_PIECE):
        yield data


class _Progress:
    """How much has been copied, on stderr, while it happens (on a terminal) and at the end."""

    def __init__(self, ctx: Context, args: Args, head: str) -> None:
        self._err = ctx.err
        self.quiet = args.quiet if args.changed("quiet") else not terminal.is_terminal(terminal.descriptor_of(ctx.out))
        self._live = not self.quiet and terminal.is_terminal(terminal.descriptor_of(ctx.err))
        self._head = head
        self._transferred = 0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._err.write("\r\033[K")
            self._err.flush()

    def counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the pieces on and count them."""
        from time import monotonic

        shown = 0.0
        for piece in pieces:
            self._transferred += len(piece)
            if self._live and (now := monotonic()) - shown > 0.075:
                shown = now
                self._err.write(f"\r\033[K{self._head}{_size(self._transferred)}")
                self._err.flush()
            yield piece

    def report(self, size: int, destination: str) -> None:
        """Say that it is done; ``size`` is the content's, which the archive's exceeds."""
        if self.quiet:
            return
        transferred = f" (transferred {_size(self._transferred)})" if size != self._transferred else ""
        self._err.write(f"Successfully copied {_size(size)}{transferred} to {destination}\n")


def _size(count: int) -> str:
    from havre.lib.sizes import human_size

    return human_size(count, 3)
