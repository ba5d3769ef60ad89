"""What an instruction says, as a value: one class a kind. ``reading`` makes them of lines.

Words are kept as they are written: variables are replaced when the build is planned, for only there their values are
known. Which words those are says ``expansion``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from havre.dockerfile.lines import Heredoc, Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What all have: the line it stands in."""

    line: Line = field(compare=False)


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: its words, or one text that a shell reads. ``heredocs`` are the text's."""

    words: tuple[str, ...]
    shell: bool
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True)
class Mount:
    """``RUN --mount``: what is there while the command runs. ``kind``: bind, cache, secret, ssh or tmpfs."""

    kind: str = "bind"
    source: str = ""
    target: str = ""
    origin: str = ""
    readonly: bool = False
    identity: str = ""
    sharing: str = "shared"
    required: bool = False
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class From(Instruction):
    base: str
    name: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg(Instruction):
    """``ARG NAME=default …``; None: no default."""

    pairs: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Env(Instruction):
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Instruction):
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Instruction):
    """``network``: default, none or host; ``security``: sandbox or insecure. ``mounts`` are unread (variables)."""

    command: Command
    mounts: tuple[str, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmd(Instruction):
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint(Instruction):
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Instruction):
    """What ADD and COPY share. ``heredocs`` stand for the sources that are named ``<<NAME``."""

    sources: tuple[str, ...]
    target: str
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Transfer):
    origin: str = ""
    parents: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Transfer):
    """``unpack`` None: archives of the context are unpacked, those from URLs are not."""

    checksum: str = ""
    keep_git_directory: bool = False
    unpack: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expose(Instruction):
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Instruction):
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir(Instruction):
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Instruction):
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal(Instruction):
    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck(Instruction):
    """``test`` in Docker's form: NONE, or CMD or CMD-SHELL and words. Times in nanoseconds, 0: as inherited."""

    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell(Instruction):
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Onbuild(Instruction):
    """``text`` is the instruction for later, as it will be in the image; it has been read once, so it is one."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer(Instruction):
    name: str


@dataclass(frozen=True, slots=True)
class Stage:
    """From one FROM to the next. ``name`` is lower-case; empty for one that only its number names."""

    base: From
    name: str
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """``arguments`` stand before the first FROM and count only in FROMs."""

    stages: tuple[Stage, ...]
    arguments: tuple[Arg, ...]
    directives: dict[str, str]
    warnings: Sequence[tuple[int, str]] = ()
