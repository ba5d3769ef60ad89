"""What a build does, step by step: operations, and vertices that join them into a graph.

An operation is a value: two of the same content are the same step, whatever line they stand in. What it works on are
the vertex's inputs; the first is the root file system, for those that have one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from havre.image.manifest import Platform


@dataclass(frozen=True, slots=True)
class Scratch:
    """No files at all."""


@dataclass(frozen=True, slots=True)
class FromImage:
    """The files of an image. ``digest`` is what its name was resolved to."""

    reference: str
    digest: str
    platform: Platform


@dataclass(frozen=True, slots=True)
class Local:
    """A directory of the client's: ``context`` is the build's own, others are named."""

    name: str


@dataclass(frozen=True, slots=True)
class Git:
    """A tree of a git repository. ``commit`` "" until it is resolved."""

    url: str
    ref: str
    directory: str
    keep_git_directory: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    """A file from a URL, under ``name``. ``checksum`` "" when none is demanded."""

    url: str
    name: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Text:
    """A file of this content: a here-document."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class RunMount:
    """What a command sees at ``target``. ``input`` is the number of the vertex's input that is mounted, or None.

    The other fields are those of ``dockerfile.instructions.Mount``.
    """

    kind: str
    target: str
    input: int | None = None
    source: str = ""
    readonly: bool = False
    identity: str = ""
    sharing: str = "shared"
    required: bool = False
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Execute:
    """A command in the root file system.

    ``hidden`` are variables it sees that do not make it another step (proxies); ``files`` lie in ``/dev/pipes``.
    """

    words: tuple[str, ...]
    environment: tuple[str, ...]
    directory: str
    user: str
    mounts: tuple[RunMount, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    files: tuple[Text, ...] = ()
    hidden: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Transferred:
    """What is copied from one input: paths or globs in it. ``unpack``: archives among them become what they hold."""

    input: int
    paths: tuple[str, ...]
    unpack: bool = False


@dataclass(frozen=True, slots=True)
class CopyFiles:
    """Files of the inputs after the first go into the root file system.

    ``target`` is absolute; with a slash at its end it is a directory. ``owner`` "" is root; ``mode`` "" as it is.
    ``linked``: the result does not depend on what lies below, so the layer is made without it.
    """

    items: tuple[Transferred, ...]
    target: str
    owner: str = ""
    mode: str = ""
    exclude: tuple[str, ...] = ()
    parents: bool = False
    linked: bool = False


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    """A directory and those above it, for WORKDIR."""

    path: str


Operation: TypeAlias = Scratch | FromImage | Local | Git | Fetch | Text | Execute | CopyFiles | MakeDirectory
LAYERS = (Execute, CopyFiles, MakeDirectory)
"""Operations that put a layer on their first input."""


@dataclass(frozen=True, slots=True, eq=False)
class Vertex:
    """One step. ``name`` is what people see; ``first`` is the line of the Dockerfile, 0 for none."""

    operation: Operation
    inputs: tuple["Vertex", ...] = ()
    name: str = ""
    first: int = 0
    last: int = 0
    ignore_cache: bool = False


def needed(ends: Sequence[Vertex]) -> Iterator[Vertex]:
    """All vertices that ``ends`` stand on, those first that others need, each once."""
    seen: set[int] = set()
    stack: list[tuple[Vertex, bool]] = [(end, False) for end in reversed(ends)]
    while stack:
        vertex, complete = stack.pop()
        if complete:
            yield vertex
        elif id(vertex) not in seen:
            seen.add(id(vertex))
            stack.append((vertex, True))
            stack.extend((below, False) for below in reversed(vertex.inputs))
