"""Lines become instructions: each keyword's own grammar, in one table.

``dockerfile`` is the way in; ``instruction`` reads a single line, as ONBUILD triggers of base images are.
"""

import re
from collections.abc import Callable

from havre.dockerfile import flags as known
from havre.dockerfile import lines as sources
from havre.dockerfile.faults import DockerfileError, nearest
from havre.dockerfile.flags import Flags
from havre.dockerfile.healthcheck import read_healthcheck
from havre.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Dockerfile,
    Entrypoint,
    Env,
    Expose,
    From,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stage,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from havre.dockerfile.lines import Line, json_words
from havre.lib.quoting import quote

_STAGE_NAME = re.compile(r"[a-z][a-z0-9._-]*")


def dockerfile(data: bytes) -> Dockerfile:
    """The whole of a Dockerfile. Raises ``DockerfileError`` with the line."""
    source = sources.read(data)
    arguments: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for line in source.lines:
        read = instruction(line, source.escape)
        if isinstance(read, From):
            stages.append((read, []))
        elif stages:
            stages[-1][1].append(read)
        elif isinstance(read, Arg):
            arguments.append(read)
        else:
            raise DockerfileError("no build stage in current context", line.first, line.last)
    if not stages:
        raise DockerfileError("dockerfile contains no stages to build")
    return Dockerfile(
        tuple(Stage(base, base.name, tuple(body)) for base, body in stages),
        tuple(arguments),
        source.directives,
        source.warnings,
    )


def instruction(line: Line, escape: str = "\\") -> Instruction:
    """What one line says."""
    reader = _READERS.get(line.keyword)
    try:
        if reader is None:
            guess = nearest(line.keyword, tuple(_READERS))
            hint = f" (did you mean {guess.upper()}?)" if guess else ""
            raise DockerfileError(f"unknown instruction: {line.keyword.upper()}{hint}")
        return reader(line, escape)
    except DockerfileError as error:
        raise error.at(line.first, line.last) from None


# -- words ------------------------------------------------------------------------------------------------------------


def _words(line: Line) -> list[str]:
    """A JSON array's strings, or what blanks separate."""
    listed = json_words(line.rest)
    return line.rest.split() if listed is None else listed


def _command(line: Line, text: str | None = None) -> Command:
    text = line.rest if text is None else text
    listed = json_words(text)
    if listed is not None:
        return Command(tuple(listed), False)
    return Command((text,) if text else (), True, line.heredocs)


def _required(line: Line) -> str:
    if not line.rest.strip():
        raise DockerfileError(f"{line.keyword.upper()} requires at least one argument")
    return line.rest.strip()


def _exactly_one(line: Line) -> str:
    if not line.rest.strip():
        raise DockerfileError(f"{line.keyword.upper()} requires exactly one argument")
    return line.rest.strip()


def _quoted_words(text: str, escape: str) -> list[str]:
    """Words at blanks that neither quotes nor escapes protect; both are kept, for they are read later."""
    words: list[str] = []
    word: list[str] = []
    mark = ""
    at = 0
    while at < len(text):
        sign = text[at]
        if sign == escape and mark != "'" and at + 1 < len(text):
            word.append(text[at : at + 2])
            at += 2
            continue
        if not mark and sign.isspace():
            if word:
                words.append("".join(word))
                word = []
        else:
            word.append(sign)
            if mark == sign:
                mark = ""
            elif not mark and sign in "'\"":
                mark = sign
        at += 1
    return [*words, "".join(word)] if word else words


def _pairs(line: Line, escape: str) -> tuple[tuple[str, str], ...]:
    """``name=value …``, or the old form ``name value``, where the value is the rest of the line."""
    text = _required(line)
    words = _quoted_words(text, escape)
    if "=" not in words[0]:
        name, *value = re.split(r"\s+", text, maxsplit=1)
        if not value:
            raise DockerfileError(f"{line.keyword.upper()} must have two arguments")
        return ((name, value[0]),)
    pairs = []
    for word in words:
        name, equals, value_ = word.partition("=")
        if not equals:
            raise DockerfileError(f"Syntax error - can't find = in {quote(word)}. Must be of the form: name=value")
        if not name:
            raise DockerfileError(f"{line.keyword.upper()} names can not be blank")
        pairs.append((name, value_))
    return tuple(pairs)


# -- a reader a keyword ------------------------------------------------------------------------------------------------


def _no_flags(line: Line) -> None:
    Flags(line.flags, known.NONE)


def _from(line: Line, escape: str) -> From:
    flags = Flags(line.flags, known.FROM)
    words = line.rest.split()
    if len(words) == 3 and words[1].lower() == "as":
        name = words[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            raise DockerfileError(
                f"invalid name for build stage: {quote(words[2])}, name can't start with a number or contain symbols"
            )
    elif len(words) == 1:
        name = ""
    else:
        raise DockerfileError("FROM requires either one or three arguments")
    return From(line=line, base=words[0], name=name, platform=flags.text("platform"))


def _arg(line: Line, escape: str) -> Arg:
    _no_flags(line)
    pairs: list[tuple[str, str | None]] = []
    for word in _quoted_words(_required(line), escape):
        name, equals, value = word.partition("=")
        if not name:
            raise DockerfileError("ARG names can not be blank")
        pairs.append((name, value if equals else None))
    return Arg(line=line, pairs=tuple(pairs))


def _env(line: Line, escape: str) -> Env:
    _no_flags(line)
    return Env(line=line, pairs=_pairs(line, escape))


def _label(line: Line, escape: str) -> Label:
    _no_flags(line)
    return Label(line=line, pairs=_pairs(line, escape))


def _run(line: Line, escape: str) -> Run:
    flags = Flags(line.flags, known.RUN)
    _required(line)
    network = flags.text("network") or "default"
    security = flags.text("security") or "sandbox"
    if network not in ("default", "none", "host"):
        raise DockerfileError(f"invalid network mode: {quote(network)}: it is default, none or host")
    if security not in ("sandbox", "insecure"):
        raise DockerfileError(f"security {quote(security)} is not valid: it is sandbox or insecure")
    return Run(
        line=line,
        command=_command(line),
        mounts=flags.texts("mount"),
        network=network,
        security=security,
        devices=flags.texts("device"),
    )


def _cmd(line: Line, escape: str) -> Cmd:
    _no_flags(line)
    return Cmd(line=line, command=_command(line))


def _entrypoint(line: Line, escape: str) -> Entrypoint:
    _no_flags(line)
    return Entrypoint(line=line, command=_command(line))


def _transferred(line: Line) -> tuple[tuple[str, ...], str]:
    words = _words(line)
    if len(words) < 2:
        raise DockerfileError(
            f"{line.keyword.upper()} requires at least two arguments, but only {len(words)} was provided. "
            "Destination could not be determined"
        )
    return tuple(words[:-1]), words[-1]


def _copy(line: Line, escape: str) -> Copy:
    flags = Flags(line.flags, known.COPY)
    paths, target = _transferred(line)
    return Copy(
        line=line,
        sources=paths,
        target=target,
        origin=flags.text("from"),
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.boolean("link") or False,
        parents=flags.boolean("parents") or False,
        exclude=flags.texts("exclude"),
    )


def _add(line: Line, escape: str) -> Add:
    flags = Flags(line.flags, known.ADD)
    paths, target = _transferred(line)
    return Add(
        line=line,
        sources=paths,
        target=target,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.boolean("link") or False,
        exclude=flags.texts("exclude"),
        checksum=flags.text("checksum"),
        keep_git_directory=flags.boolean("keep-git-dir") or False,
        unpack=flags.boolean("unpack"),
    )


def _expose(line: Line, escape: str) -> Expose:
    _no_flags(line)
    return Expose(line=line, ports=tuple(_required(line).split()))


def _user(line: Line, escape: str) -> User:
    _no_flags(line)
    return User(line=line, user=_exactly_one(line))


def _workdir(line: Line, escape: str) -> Workdir:
    _no_flags(line)
    return Workdir(line=line, path=_exactly_one(line))


def _volume(line: Line, escape: str) -> Volume:
    _no_flags(line)
    _required(line)
    paths = [path.strip() for path in _words(line)]
    if not paths or not all(paths):
        raise DockerfileError("VOLUME specified can not be an empty string")
    return Volume(line=line, paths=tuple(paths))


def _stop_signal(line: Line, escape: str) -> StopSignal:
    _no_flags(line)
    return StopSignal(line=line, signal=_exactly_one(line))


def _shell(line: Line, escape: str) -> Shell:
    _no_flags(line)
    words = json_words(_required(line))
    if words is None:
        raise DockerfileError("SHELL requires the arguments to be in JSON form")
    if not words:
        raise DockerfileError("SHELL requires at least one argument")
    return Shell(line=line, words=tuple(words))


def _onbuild(line: Line, escape: str) -> Onbuild:
    _no_flags(line)
    text = re.sub(r"\A\s*onbuild\s*", "", line.original, flags=re.IGNORECASE)
    trigger = _required(line).split()[0].upper()
    if trigger == "ONBUILD":
        raise DockerfileError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in ("MAINTAINER", "FROM"):
        raise DockerfileError(f"{trigger} isn't allowed as an ONBUILD trigger")
    trigger_of(text, escape)
    return Onbuild(line=line, text=text)


def trigger_of(text: str, escape: str = "\\") -> Instruction:
    """The instruction an ONBUILD holds back. Raises ``DockerfileError`` (without a line) unless it is exactly one."""
    try:
        first, *more = sources.read(text.encode("utf-8", "surrogateescape"), escape).lines
        if more:
            raise DockerfileError("an ONBUILD trigger is one instruction")
        return instruction(first, escape)
    except DockerfileError as error:
        raise DockerfileError(error.reason) from None


def _maintainer(line: Line, escape: str) -> Maintainer:
    _no_flags(line)
    return Maintainer(line=line, name=_exactly_one(line))


_READERS: dict[str, Callable[[Line, str], Instruction]] = {
    "add": _add,
    "arg": _arg,
    "cmd": _cmd,
    "copy": _copy,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "from": _from,
    "healthcheck": read_healthcheck,
    "label": _label,
    "maintainer": _maintainer,
    "onbuild": _onbuild,
    "run": _run,
    "shell": _shell,
    "stopsignal": _stop_signal,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}
