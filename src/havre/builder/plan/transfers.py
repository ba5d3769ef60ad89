"""COPY and ADD become operations: which of their sources are paths, here-documents, URLs or git repositories."""

import posixpath
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from havre.builder.plan.vertices import CopyFiles, Fetch, Git, Text, Transferred, Vertex
from havre.dockerfile.expansion import Scope
from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.instructions import Add, Copy
from havre.dockerfile.lines import announced
from havre.image import digest as digests

_GIT = re.compile(r"^(?:git://|git@|ssh://)|^https?://[^#]+\.git(?:$|[#?])", re.IGNORECASE)
_HTTP = re.compile(r"^https?://", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Transfers:
    """Plans the COPYs and ADDs of one stage. ``named`` are the vertices that ``--from`` can name."""

    def __init__(self, context: Vertex, named: Mapping[str, Vertex]) -> None:
        self._context = context
        self._named = named

    def plan(self, instruction: Copy | Add, directory: str, scope: Scope) -> tuple[CopyFiles, list[Vertex]]:
        """The operation and what it copies from. Raises ``DockerfileError``."""
        origin = instruction.origin if isinstance(instruction, Copy) else ""
        local = self._named[origin] if origin else self._context
        inputs: list[Vertex] = []
        items: list[Transferred] = []
        documents = iter(instruction.line.heredocs)
        paths: list[str] = []

        def flush() -> None:
            # Neighbouring paths of one origin are one item, so that their order with the others is kept.
            if paths:
                inputs.append(local)
                unpack = isinstance(instruction, Add) and instruction.unpack is not False
                items.append(Transferred(len(inputs), tuple(paths), unpack))
                paths.clear()

        for source in instruction.sources:
            remote = self._remote(source, instruction)
            if remote is None and list(announced(source, scope.escape)):
                document = next(documents)
                remote = Vertex(Text(document.name, scope.content(document)))
            if remote is None:
                paths.append(_inside(source))
                continue
            flush()
            inputs.append(remote)
            unpack = isinstance(instruction, Add) and instruction.unpack is True
            items.append(
                Transferred(len(inputs), (".",) if isinstance(remote.operation, Git) else _file(remote), unpack)
            )
        flush()
        if (
            len(instruction.sources) > 1
            and not instruction.target.endswith("/")
            and instruction.target not in (".", "..")
        ):
            raise DockerfileError(
                f"When using {instruction.line.keyword.upper()} with more than one source file, "
                "the destination must be a directory and end with a /"
            )
        return (
            CopyFiles(
                items=tuple(items),
                target=_target(instruction.target, directory),
                owner=instruction.chown,
                mode=instruction.chmod,
                exclude=instruction.exclude,
                parents=isinstance(instruction, Copy) and instruction.parents,
                linked=instruction.link,
            ),
            inputs,
        )

    def _remote(self, source: str, instruction: Copy | Add) -> Vertex | None:
        """The vertex of a URL or git repository; None for a path. Only ADD knows them."""
        if not isinstance(instruction, Add):
            if _HTTP.match(source):
                raise DockerfileError("source can't be a URL for COPY")
            return None
        if _GIT.match(source):
            if instruction.checksum and not _COMMIT.fullmatch(instruction.checksum):
                raise DockerfileError(f"invalid checksum {instruction.checksum!r}: of a git repository it is a commit")
            return Vertex(_git(source, instruction), (), source)
        if _HTTP.match(source):
            if instruction.checksum:
                if len(instruction.sources) > 1:
                    raise DockerfileError("checksum can't be specified for multiple sources")
                try:
                    digests.checked(instruction.checksum)
                except Exception as error:
                    raise DockerfileError(str(error)) from None
            return Vertex(Fetch(source, _name_of(source), instruction.checksum), (), source)
        if instruction.checksum:
            raise DockerfileError("checksum can't be specified for non-HTTP(S) sources")
        return None


def _git(source: str, add: Add) -> Git:
    url, _, fragment = source.partition("#")
    ref, _, directory = fragment.partition(":")
    return Git(url, add.checksum or ref, directory, add.keep_git_directory)


def _name_of(url: str) -> str:
    name = posixpath.basename(unquote(urlsplit(url).path))
    if name in ("", ".", ".."):
        return "index.html" if not name else "file"
    return name


def _file(vertex: Vertex) -> tuple[str, ...]:
    operation = vertex.operation
    assert isinstance(operation, Fetch | Text)
    return (operation.name,)


def _inside(path: str) -> str:
    """A source as a path below its origin: no ``..`` leads out. A slash at its end is kept for ``--parents``."""
    marker = "/./" in path
    parts = posixpath.normpath("/" + path.replace("/./", "/\0/")).replace("//", "/").lstrip("/").split("/")
    clean = "/".join("." if part == "\0" else part for part in parts)
    return (clean or ".") if not marker else clean


def _target(target: str, directory: str) -> str:
    """Where to: absolute, with a slash at its end if it is to be a directory."""
    joined = posixpath.normpath(posixpath.join("/", directory, target)).replace("//", "/")
    into = target.endswith("/") or posixpath.basename(target) in (".", "..")
    return joined if joined == "/" or not into else joined + "/"
