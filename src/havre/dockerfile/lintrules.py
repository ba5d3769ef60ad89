"""The rules of lint that a Dockerfile alone shows. ``findings`` applies them all.

What variables are worth is known only when a build is planned; so ``lint.undefined`` is told by the planner.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from havre.dockerfile.faults import DockerfileError
from havre.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Dockerfile,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Shell,
    Stage,
    Workdir,
)
from havre.dockerfile.lines import Line
from havre.dockerfile.lint import Excluded, Finding, guess
from havre.dockerfile.words import expand
from havre.lib import references
from havre.lib.quoting import quote

RESERVED_STAGES = ("scratch", "context")
_ONCE = (Cmd, Entrypoint, Healthcheck)
_TARGET_PLATFORM = re.compile(r"\$(TARGETPLATFORM|\{TARGETPLATFORM\})")
_SECRET = re.compile(
    r"(_|^)(apikey|auth|credentials?|key|password|pword|passwd|secret|token)(_|$)", re.IGNORECASE | re.ASCII
)
_PUBLIC = re.compile(r"(_|^)public(_|$)", re.IGNORECASE)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://|git@")


def findings(
    file: Dockerfile, platform: Mapping[str, str], escape: str = "\\", excluded: Excluded | None = None
) -> Iterator[Finding]:
    """Everything the rules find. ``platform`` are the arguments that every build knows by itself."""
    for number, _ in file.warnings:
        yield Finding(number, number, "NoEmptyContinuation", "Empty continuation line")
    yield from _casing(file)
    yield from _stages(file.stages)
    yield from _bases(file, platform, escape)
    yield from _arguments_with_secrets(file.arguments)
    left: dict[str, tuple[bool, bool]] = {}
    for stage in file.stages:
        yield from _stage(stage, left, excluded)
    for instruction in _all(file):
        yield from _description(instruction)


def _all(file: Dockerfile) -> Iterator[Instruction]:
    yield from file.arguments
    for stage in file.stages:
        yield stage.base
        yield from stage.instructions


def _found(line: Line, rule: str, message: str) -> Finding:
    return Finding(line.first, line.last, rule, message)


def _written(line: Line) -> str:
    """The keyword as it is written."""
    return line.original.split(maxsplit=1)[0]


# -- how things are written ------------------------------------------------------------------------------------------


def _casing(file: Dockerfile) -> Iterator[Finding]:
    written = [(instruction.line, _written(instruction.line)) for instruction in _all(file)]
    lower = sum(word.islower() for _, word in written) > sum(word.isupper() for _, word in written)
    for line, word in written:
        if word != (word.lower() if lower else word.upper()):
            majority = "lowercase" if lower else "uppercase"
            message = f"Command '{word}' should match the case of the command majority ({majority})"
            yield _found(line, "ConsistentInstructionCasing", message)


def _description(instruction: Instruction) -> Iterator[Finding]:
    """A comment right above an ARG or a named FROM describes it, and begins with its name."""
    names: list[str] = []
    if isinstance(instruction, From) and instruction.name:
        names = [_stage_name(instruction)]
    elif isinstance(instruction, Arg):
        names = [name for name, _ in instruction.pairs]
    comments = instruction.line.comments
    if names and comments and not any(comments[-1].startswith(f"{name} ") for name in names):
        keyword = instruction.line.keyword.upper()
        message = f"Comment for {keyword} should follow the format: `# {names[0]} <description>`"
        yield _found(instruction.line, "InvalidDefinitionDescription", message)


def _stage_name(base: From) -> str:
    return base.line.rest.split()[2]


# -- FROM ------------------------------------------------------------------------------------------------------------


def _stages(stages: Sequence[Stage]) -> Iterator[Finding]:
    seen: set[str] = set()
    for stage in stages:
        if not stage.name:
            continue
        line, name = stage.base.line, _stage_name(stage.base)
        word, keyword = _written(line), line.rest.split()[1]
        if name != name.lower():
            yield _found(line, "StageNameCasing", f"Stage name '{name}' should be lowercase")
        if (keyword == keyword.lower()) != (word == word.lower()):
            yield _found(line, "FromAsCasing", f"'{keyword}' and '{word}' keywords' casing do not match")
        if stage.name in RESERVED_STAGES:
            message = f"Stage name should not use the same name as reserved stage {quote(stage.name)}"
            yield _found(line, "ReservedStageName", message)
        if stage.name in seen:
            message = f"Duplicate stage name {quote(name)}, stage names should be unique"
            yield _found(line, "DuplicateStageName", message)
        seen.add(stage.name)


def _bases(file: Dockerfile, platform: Mapping[str, str], escape: str) -> Iterator[Finding]:
    declared = {name for arg in file.arguments for name, _ in arg.pairs}
    defaults = dict(platform)
    for arg in file.arguments:
        for name, value in arg.pairs:
            if value is not None:
                defaults[name] = _worth(value, defaults, escape)[0]
    known = declared | set(platform)
    for stage in file.stages:
        base = stage.base
        name, unset = _worth(base.base, defaults, escape)
        missing = (unset | _worth(base.platform, defaults, escape)[1]) - known
        for one in sorted(missing):
            message = f"FROM argument '{one}' is not declared{guess(one, tuple(sorted(known)))}"
            yield _found(base.line, "UndefinedArgInFrom", message)
        if "$" in base.base and not missing and not _is_name(name):
            message = f"Default value for ARG {base.base} results in empty or invalid base image name"
            yield _found(base.line, "InvalidDefaultArgInFrom", message)
        yield from _platform(stage)


def _platform(stage: Stage) -> Iterator[Finding]:
    base = stage.base
    if _TARGET_PLATFORM.fullmatch(base.platform):
        message = f"Setting platform to predefined {base.platform} in FROM is redundant as this is the default behavior"
        yield _found(base.line, "RedundantTargetPlatform", message)
        return
    # Stages that say in their names what they are for come in several, and one is chosen.
    named = any(part and part in stage.name for part in base.platform.lower().split("/"))
    if base.platform and "$" not in base.platform and not named:
        message = f"FROM --platform flag should not use constant value {quote(base.platform)}"
        yield _found(base.line, "FromPlatformFlagConstDisallowed", message)


def _worth(word: str, variables: Mapping[str, str], escape: str) -> tuple[str, set[str]]:
    """The word with its variables replaced, and those without a value; what cannot be read is the build's to refuse."""
    try:
        result = expand(word, variables, escape)
    except DockerfileError:
        return word, set()
    return result.text, result.unset


def _is_name(text: str) -> bool:
    try:
        references.parse(text)
    except ValueError:
        return False
    return True


# -- what is in a stage ----------------------------------------------------------------------------------------------


def _stage(stage: Stage, left: dict[str, tuple[bool, bool]], excluded: Excluded | None) -> Iterator[Finding]:
    """``left`` is what earlier stages leave to those that stand on them: whether WORKDIR and SHELL have been set."""
    last: dict[type, Line] = {}
    directory, shell = left.get(stage.base.base.lower(), (False, False))
    for instruction in stage.instructions:
        line = instruction.line
        if isinstance(instruction, _ONCE):
            if (before := last.get(type(instruction))) is not None:
                message = (
                    f"Multiple {line.keyword.upper()} instructions should not be used in the same stage "
                    "because only the last one will be used"
                )
                yield _found(before, "MultipleInstructionsDisallowed", message)
            last[type(instruction)] = line
        if isinstance(instruction, Cmd | Entrypoint) and instruction.command.shell and not shell:
            message = (
                f"JSON arguments recommended for {line.keyword.upper()} "
                "to prevent unintended behavior related to OS signals"
            )
            yield _found(line, "JSONArgsRecommended", message)
        elif isinstance(instruction, Workdir):
            if not directory and not instruction.path.startswith(("/", "$")):
                message = (
                    f"Relative workdir {quote(instruction.path)} can have unexpected results if the base image changes"
                )
                yield _found(line, "WorkdirRelativePath", message)
            directory = True
        else:
            yield from _instruction(instruction, excluded)
        shell = shell or isinstance(instruction, Shell)
    if stage.name:
        left[stage.name] = directory, shell


def _instruction(instruction: Instruction, excluded: Excluded | None) -> Iterator[Finding]:
    line = instruction.line
    if isinstance(instruction, Maintainer):
        message = "Maintainer instruction is deprecated in favor of using label"
        yield _found(line, "MaintainerDeprecated", message)
    elif isinstance(instruction, Env | Label):
        if tuple(line.rest.strip().split(maxsplit=1)) == instruction.pairs[0]:
            keyword = line.keyword.upper()
            message = f'"{keyword} key=value" should be used instead of legacy "{keyword} key value" format'
            yield _found(line, "LegacyKeyValueFormat", message)
        if isinstance(instruction, Env):
            yield from _secrets(line, [name for name, _ in instruction.pairs])
    elif isinstance(instruction, Arg):
        yield from _secrets(line, [name for name, _ in instruction.pairs])
    elif isinstance(instruction, Expose):
        yield from _ports(instruction)
    elif isinstance(instruction, Copy | Add) and excluded is not None:
        yield from _ignored(instruction, excluded)


def _arguments_with_secrets(arguments: Sequence[Arg]) -> Iterator[Finding]:
    for arg in arguments:
        yield from _secrets(arg.line, [name for name, _ in arg.pairs])


def _secrets(line: Line, names: Sequence[str]) -> Iterator[Finding]:
    for name in names:
        if _SECRET.search(name) and not _PUBLIC.search(name):
            message = f"Do not use ARG or ENV instructions for sensitive data ({line.keyword.upper()} {quote(name)})"
            yield _found(line, "SecretsUsedInArgOrEnv", message)


def _ports(expose: Expose) -> Iterator[Finding]:
    for port in expose.ports:
        protocol = port.partition("/")[2]
        if protocol != protocol.lower() and "$" not in protocol:
            message = f"Defined protocol '{protocol}' in EXPOSE instruction should be lowercase"
            yield _found(expose.line, "ExposeProtoCasing", message)
        if ":" in port and "$" not in port:
            message = f"EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
            yield _found(expose.line, "ExposeInvalidFormat", message)


def _ignored(transfer: Copy | Add, excluded: Excluded) -> Iterator[Finding]:
    if isinstance(transfer, Copy) and transfer.origin:
        return
    for source in transfer.sources:
        path = source.removeprefix("./").strip("/")
        if not path or source.startswith("<<") or _URL.match(source) or "$" in source:
            continue
        if excluded(path):
            word = transfer.line.keyword.capitalize()
            message = f"Attempting to {word} file {quote(source)} that is excluded by .dockerignore"
            yield _found(transfer.line, "CopyIgnoredFile", message)
