"""Instructions become vertices: each stage's file system as a chain of steps, its configuration beside it.

Everything that must be asked for (base images, contexts) has been, and comes in as a value; so this is pure.
"""

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from havre.builder.plan.arguments import Arguments
from havre.builder.plan.transfers import Transfers
from havre.builder.plan.vertices import Execute, MakeDirectory, RunMount, Text, Vertex
from havre.dockerfile import lint
from havre.dockerfile import settings as configuration
from havre.dockerfile.expansion import Scope, expanded
from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Instruction,
    Maintainer,
    Run,
    Stage,
    Transfer,
    Workdir,
)
from havre.dockerfile.lines import announced
from havre.dockerfile.mounts import parse_mount
from havre.dockerfile.settings import Settings

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PIPES = "/dev/pipes"
_ONLY_HEREDOC = re.compile(r"\s*\d*<<-?\S+\s*")


@dataclass(frozen=True, slots=True)
class Base:
    """What a stage begins with: files, configuration, and the arguments of the stage it stands on.

    ``triggers`` are the ONBUILD instructions of a base image, read.
    """

    root: Vertex
    settings: Settings
    arguments: Mapping[str, str] = field(default_factory=dict)
    triggers: tuple[Instruction, ...] = ()
    author: str = ""
    history: tuple["Entry", ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the image's history. ``vertex`` made its layer; None: it has none."""

    created_by: str
    vertex: Vertex | None = None


@dataclass(slots=True)
class StageResult:
    """A stage, planned."""

    root: Vertex
    settings: Settings
    arguments: dict[str, str]
    author: str
    history: list[Entry]


@dataclass(frozen=True, slots=True)
class Origins:
    """Where ``--from`` leads in one stage: the vertex of each word, and the build's own context."""

    context: Vertex
    named: Mapping[str, Vertex]


def steps_of(instructions: Sequence[Instruction]) -> int:
    """How many steps people see: FROM is the first."""
    return 1 + sum(isinstance(one, Run | Transfer | Workdir) for one in instructions)


class StagePlanner:
    """Plans one stage. ``findings`` are what lint has to say of the variables it names."""

    def __init__(
        self,
        base: Base,
        origins: Origins,
        arguments: Arguments,
        label: Callable[[int, int, str], str],
        escape: str = "\\",
        ignore_cache: bool = False,
    ) -> None:
        """``label`` makes a step's name for people of its number, how many there are and what it does."""
        self._origins = origins
        self._arguments = arguments
        self._label = label
        self._escape = escape
        self._ignore_cache = ignore_cache
        self._transfers = Transfers(origins.context, origins.named)
        self._declared: list[str] = []
        self._commanded = False
        self._step = 0
        self._steps = 0
        self.findings: list[lint.Finding] = []
        self._result = StageResult(
            base.root, configuration.copied(base.settings), dict(base.arguments), base.author, list(base.history)
        )

    def plan(self, stage: Stage, triggers: Sequence[Instruction] = ()) -> StageResult:
        """The stage's steps. Raises ``DockerfileError`` with the line."""
        instructions = [*triggers, *stage.instructions]
        if triggers:
            self._result.settings.pop("OnBuild", None)
        self._steps = steps_of(instructions)
        self._step = 1
        for instruction in instructions:
            try:
                self._apply(instruction)
            except DockerfileError as error:
                raise error.at(instruction.line.first, instruction.line.last) from None
        return self._result

    def _apply(self, instruction: Instruction) -> None:
        result = self._result
        variables = {**result.arguments, **configuration.variables(result.settings)}
        if isinstance(instruction, Arg):
            read = self._arguments.declare(instruction, variables, result.arguments)
            self._declared += [name for name, _ in read.pairs]
            shown = " ".join(
                name + (f"={result.arguments[name]}" if name in result.arguments else "") for name, _ in read.pairs
            )
            result.history.append(Entry(f"ARG {shown}"))
            return
        scope = Scope(variables, self._escape)
        instruction = expanded(instruction, scope)
        if scope.unset:
            line = instruction.line
            self.findings += lint.undefined(line.first, line.last, scope.unset, variables)
        if isinstance(instruction, Run):
            self._run(instruction, scope)
        elif isinstance(instruction, Copy | Add):
            self._transfer(instruction, scope)
        elif isinstance(instruction, Workdir):
            self._workdir(instruction)
        elif isinstance(instruction, Maintainer):
            result.author = instruction.name
            result.history.append(Entry(_created_by(instruction)))
        else:
            configuration.apply(instruction, result.settings, self._commanded)
            self._commanded = self._commanded or isinstance(instruction, Cmd)
            result.history.append(Entry(_created_by(instruction)))

    # -- steps --------------------------------------------------------------------------------------------------------

    def _add(self, operation: Any, inputs: Sequence[Vertex], instruction: Instruction, created_by: str) -> None:
        self._step += 1
        line = instruction.line
        vertex = Vertex(
            operation,
            (self._result.root, *inputs),
            self._label(self._step, self._steps, _shown(instruction)),
            line.first,
            line.last,
            self._ignore_cache,
        )
        self._result.root = vertex
        self._result.history.append(Entry(created_by, vertex))

    def _workdir(self, workdir: Workdir) -> None:
        configuration.apply(workdir, self._result.settings)
        path = self._result.settings["WorkingDir"]
        self._add(MakeDirectory(path), (), workdir, f"WORKDIR {path}")

    def _transfer(self, instruction: Copy | Add, scope: Scope) -> None:
        operation, inputs = self._transfers.plan(instruction, self._result.settings.get("WorkingDir") or "/", scope)
        self._add(operation, inputs, instruction, _created_by(instruction))

    def _run(self, run: Run, scope: Scope) -> None:
        settings = self._result.settings
        words, files = self._command(run.command)
        inputs: list[Vertex] = []
        mounts = tuple(self._mount(text, inputs) for text in run.mounts)
        arguments = {
            name: value
            for name, value in self._result.arguments.items()
            if name not in configuration.variables(settings)
        }
        environment = [*(settings.get("Env") or ()), *(f"{name}={value}" for name, value in arguments.items())]
        if not any(entry.startswith("PATH=") for entry in environment):
            environment.insert(0, f"PATH={PATH}")
        named = {entry.partition("=")[0] for entry in environment}
        operation = Execute(
            words=words,
            environment=tuple(environment),
            directory=settings.get("WorkingDir") or "/",
            user=settings.get("User") or "",
            mounts=mounts,
            network=run.network,
            security=run.security,
            files=files,
            hidden=tuple(f"{k}={v}" for k, v in self._arguments.proxies.items() if k not in named),
        )
        shown = [f"{name}={value}" for name, value in sorted(arguments.items())]
        before = f"|{len(shown)} {' '.join(shown)} " if shown else ""
        self._add(operation, inputs, run, f"RUN {before}{' '.join(words)}")

    def _command(self, command: Command) -> tuple[tuple[str, ...], tuple[Text, ...]]:
        """The words to execute, and the scripts they stand on."""
        if not command.shell:
            return command.words, ()
        text = command.words[0] if command.words else ""
        files: tuple[Text, ...] = ()
        documents = command.heredocs
        if documents and _ONLY_HEREDOC.fullmatch(text) and len(list(announced(text, self._escape))) == 1:
            (document,) = documents
            text = document.content
            if text.startswith("#!"):
                files = (Text(document.name, text),)
                text = f"{PIPES}/{document.name}"
        elif documents:
            # The shell reads them itself: it gets the text as it was written.
            text += "".join(f"\n{document.content}{document.name}" for document in documents)
        return (*configuration.shell(self._result.settings), text), files

    def _mount(self, text: str, inputs: list[Vertex]) -> RunMount:
        mount = parse_mount(text)
        source: int | None = None
        if mount.kind == "bind" or (mount.kind == "cache" and mount.origin):
            inputs.append(self._origins.named[mount.origin] if mount.origin else self._origins.context)
            source = len(inputs)
        target = mount.target
        if mount.kind == "secret" and not target and mount.environment is None:
            target = f"/run/secrets/{posixpath.basename(mount.identity or mount.source)}"
        elif target:
            target = configuration.directory(self._result.settings, target)
        if mount.kind == "secret" and not (mount.identity or mount.source):
            if not mount.target:
                raise DockerfileError("invalid secret mount: it needs an id or a target")
            mount = replace(mount, identity=posixpath.basename(mount.target))
        return RunMount(
            kind=mount.kind,
            target=target,
            input=source,
            source=mount.source if source is not None else "",
            readonly=mount.readonly,
            identity=mount.identity or (mount.source if mount.kind == "secret" else ""),
            sharing=mount.sharing,
            required=mount.required,
            mode=mount.mode,
            uid=mount.uid,
            gid=mount.gid,
            size=mount.size,
            environment=mount.environment,
        )


def _shown(instruction: Instruction) -> str:
    """The instruction on one line, as progress shows it."""
    first, _, more = instruction.line.original.strip().partition("\n")
    if instruction.line.heredocs:
        return first
    return " ".join(part.strip().removesuffix("\\").strip() for part in (first + "\n" + more).splitlines()).strip()


def _created_by(instruction: Instruction) -> str:
    """The instruction as the history of an image shows it: its keyword, flags and words."""
    line = instruction.line
    return " ".join([line.keyword.upper(), *line.flags, " ".join(line.rest.split())]).strip()
