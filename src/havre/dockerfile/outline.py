"""What can be asked of a Dockerfile without building it: its stages, and what one of them can be told.

A comment right above an ARG or a named FROM that begins with its name describes it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.instructions import Arg, Dockerfile, Run
from havre.dockerfile.mounts import parse_mount


@dataclass(frozen=True, slots=True)
class Target:
    """A stage that can be built by its name."""

    name: str
    base: str
    platform: str
    description: str
    default: bool


@dataclass(frozen=True, slots=True)
class Argument:
    """``value`` None: it has none unless one is given."""

    name: str
    value: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Wish:
    """A secret, an agent's socket or a cache directory that a RUN asks for."""

    name: str
    required: bool


@dataclass(frozen=True, slots=True)
class Outline:
    """What a build of the stage ``name`` can be told, and what it asks for."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    secrets: tuple[Wish, ...]
    agents: tuple[Wish, ...]
    caches: tuple[Wish, ...]


def targets(file: Dockerfile) -> list[Target]:
    """The stages that have a name, and the last."""
    last = len(file.stages) - 1
    return [
        Target(
            stage.name, stage.base.base, stage.base.platform, _about(stage.base.line.comments, stage.name), n == last
        )
        for n, stage in enumerate(file.stages)
        if stage.name or n == last
    ]


def outline(file: Dockerfile, stages: Sequence[int], given: Mapping[str, str]) -> Outline:
    """Of the last of ``stages``; the others are those it stands on, by their numbers."""
    arguments: dict[str, Argument] = {}
    wishes: dict[str, dict[str, Wish]] = {"secret": {}, "ssh": {}, "cache": {}}
    for arg in file.arguments:
        _add(arguments, arg, given)
    for number in stages:
        for instruction in file.stages[number].instructions:
            if isinstance(instruction, Arg):
                _add(arguments, instruction, given)
            elif isinstance(instruction, Run):
                for text in instruction.mounts:
                    _wish(wishes, text)
    end = file.stages[stages[-1]]
    return Outline(
        end.name,
        _about(end.base.line.comments, end.name),
        tuple(arguments.values()),
        *(tuple(wishes[kind].values()) for kind in ("secret", "ssh", "cache")),
    )


def _add(arguments: dict[str, Argument], arg: Arg, given: Mapping[str, str]) -> None:
    for name, default in arg.pairs:
        before = arguments.get(name)
        value = given.get(name, default)
        about = _about(arg.line.comments, name)
        arguments[name] = Argument(
            name,
            before.value if before is not None and value is None else value,
            before.description if before is not None and not about else about,
        )


def _wish(wishes: Mapping[str, dict[str, Wish]], text: str) -> None:
    try:
        mount = parse_mount(text)
    except DockerfileError:
        return  # its fields may hold variables
    if mount.kind in wishes:
        name = mount.identity or (mount.source or mount.target if mount.kind != "ssh" else "default")
        found = wishes[mount.kind]
        found[name] = Wish(name, mount.required or (name in found and found[name].required))


def _about(comments: Collection[str], name: str) -> str:
    for comment in comments:
        if name and comment.startswith(f"{name} "):
            return comment.removeprefix(name).strip()
    return ""
