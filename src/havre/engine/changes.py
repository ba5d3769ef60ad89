"""``--change`` of ``docker import`` and ``docker commit``: Dockerfile instructions that only set an image's
configuration, read and applied.

Pure: text in, a new configuration out. The verbs come in here. Errors are ``InvalidParameter`` in Docker's words.
"""

import json
import posixpath
import re
import signal
from collections.abc import Callable, Sequence
from typing import Any

from havre.errors import InvalidParameter
from havre.lib.times import parse_go_duration

Config = dict[str, Any]
"""An image's run configuration in the words of its JSON: ``Env``, ``Cmd``, ``ExposedPorts``…"""

_SHELL = ["/bin/sh", "-c"]
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")
_SHORTEST_HEALTH_TIME = 1_000_000  # nanoseconds
_HEALTH_OPTIONS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}


def apply(changes: Sequence[str], config: Config) -> Config:
    """``config`` with all ``changes`` made to it, in order; the one given is left alone."""
    changed = {key: value.copy() if isinstance(value, dict | list) else value for key, value in config.items()}
    lines = _lines(changes)
    if changes and not lines:
        raise InvalidParameter("file with no instructions")
    commanded = False
    for line in lines:
        word, _, rest = line.partition(" ") if " " in line else line.partition("\t")
        instruction = _INSTRUCTIONS.get(word.lower())
        if instruction is None:
            raise InvalidParameter(f"{word} is not a valid change command")
        instruction(changed, rest.strip())
        commanded = commanded or instruction is _cmd
        if instruction is _entrypoint and not commanded:
            # The arguments were for the old one.
            changed["Cmd"] = None
    return changed


def _lines(changes: Sequence[str]) -> list[str]:
    """Instructions, one each, with lines that end in a backslash joined and comments left out."""
    lines: list[str] = []
    pending = ""
    for line in "\n".join(changes).split("\n"):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.endswith("\\"):
            pending += stripped[:-1]
            continue
        lines.append(pending + stripped)
        pending = ""
    return [*lines, pending] if pending else lines


def _cmd(config: Config, rest: str) -> None:
    config["Cmd"] = _command(rest)


def _entrypoint(config: Config, rest: str) -> None:
    config["Entrypoint"] = _command(rest)


def _command(rest: str) -> list[str] | None:
    words = _json_words(rest)
    if words is not None:
        return words
    return [*_SHELL, rest] if rest else list(_SHELL)


def _env(config: Config, rest: str) -> None:
    for name, value in _pairs("ENV", rest, config):
        entries = {entry.partition("=")[0]: entry for entry in config.get("Env") or ()}
        config["Env"] = [*{**entries, name: f"{name}={value}"}.values()]


def _label(config: Config, rest: str) -> None:
    labels = config["Labels"] = config.get("Labels") or {}
    for name, value in _pairs("LABEL", rest, config):
        labels[name] = value


def _expose(config: Config, rest: str) -> None:
    words = _required("EXPOSE", rest)
    ports = config["ExposedPorts"] = config.get("ExposedPorts") or {}
    for word in words:
        for port in _ports(_expand(word, config)):
            ports[port] = {}


def _ports(text: str) -> list[str]:
    numbers, _, protocol = text.rpartition(":")[2].partition("/")
    protocol = protocol.lower() or "tcp"
    first, dash, last = numbers.partition("-")
    last = last if dash else first
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) < 65536):
        raise InvalidParameter(f"Invalid containerPort: {numbers}")
    if protocol not in ("tcp", "udp", "sctp"):
        raise InvalidParameter(f"Invalid proto: {protocol}")
    return [f"{port}/{protocol}" for port in range(int(first), int(last) + 1)]


def _user(config: Config, rest: str) -> None:
    config["User"] = _expand(_one("USER", rest), config)


def _volume(config: Config, rest: str) -> None:
    words = _json_words(rest)
    volumes = config["Volumes"] = config.get("Volumes") or {}
    for word in words if words is not None else _required("VOLUME", rest):
        path = _expand(word, config).strip()
        if not path:
            raise InvalidParameter("VOLUME specified can not be an empty string")
        volumes[path] = {}


def _workdir(config: Config, rest: str) -> None:
    path = _expand(_one("WORKDIR", rest), config)
    config["WorkingDir"] = posixpath.normpath(posixpath.join("/", config.get("WorkingDir") or "/", path))


def _stopsignal(config: Config, rest: str) -> None:
    name = _expand(_one("STOPSIGNAL", rest), config)
    number = int(name) if name.isdecimal() else getattr(signal, "SIG" + name.upper().removeprefix("SIG"), None)
    if number is None or not 0 < int(number) <= signal.SIGRTMAX:
        raise InvalidParameter(f"invalid signal: {name}")
    config["StopSignal"] = name


def _onbuild(config: Config, rest: str) -> None:
    trigger = rest.partition(" ")[0].upper()
    if not trigger:
        raise InvalidParameter("ONBUILD requires at least one argument")
    if trigger == "ONBUILD":
        raise InvalidParameter("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in ("MAINTAINER", "FROM"):
        raise InvalidParameter(f"{trigger} isn't allowed as an ONBUILD trigger")
    config["OnBuild"] = [*(config.get("OnBuild") or ()), rest]


def _healthcheck(config: Config, rest: str) -> None:
    check: dict[str, Any] = {}
    words = rest
    while words.startswith("--"):
        option, _, words = words.partition(" ")
        words = words.strip()
        name, _, value = option[2:].partition("=")
        if name == "retries":
            if not value.isdecimal():
                raise InvalidParameter(f"--retries must be at least 0 (not {value})")
            check["Retries"] = int(value)
        elif name in _HEALTH_OPTIONS:
            check[_HEALTH_OPTIONS[name]] = _health_time(name, value)
        else:
            raise InvalidParameter(f"unknown flag: {name}")
    kind, _, command = words.partition(" ")
    if not kind:
        raise InvalidParameter("HEALTHCHECK requires at least one argument")
    if kind.upper() == "NONE":
        if command.strip():
            raise InvalidParameter("HEALTHCHECK NONE takes no arguments")
        config["Healthcheck"] = {"Test": ["NONE"]}
    elif kind.upper() == "CMD":
        if not command.strip():
            raise InvalidParameter("Missing command after HEALTHCHECK CMD")
        given = _json_words(command.strip())
        config["Healthcheck"] = {"Test": ["CMD", *given] if given else ["CMD-SHELL", command.strip()], **check}
    else:
        raise InvalidParameter(f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)')


def _health_time(name: str, text: str) -> int:
    try:
        time = parse_go_duration(text)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None
    if 0 < time < _SHORTEST_HEALTH_TIME or time < 0:
        raise InvalidParameter(f"Interval {name!r} cannot be less than 1ms")
    return time


_INSTRUCTIONS: dict[str, Callable[[Config, str], None]] = {
    "cmd": _cmd,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "healthcheck": _healthcheck,
    "label": _label,
    "onbuild": _onbuild,
    "stopsignal": _stopsignal,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}


def _json_words(text: str) -> list[str] | None:
    """The exec form, ``["a", "b"]``; None when it is anything else, which is then the shell form."""
    try:
        words = json.loads(text) if text.startswith("[") else None
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _required(instruction: str, rest: str) -> list[str]:
    words = _words(rest)
    if not words:
        raise InvalidParameter(f"{instruction} requires at least one argument")
    return words


def _one(instruction: str, rest: str) -> str:
    if not rest:
        raise InvalidParameter(f"{instruction} requires exactly one argument")
    return rest


def _pairs(instruction: str, rest: str, config: Config) -> list[tuple[str, str]]:
    """``A=1 B="2 3"``, or the old ``A everything else``."""
    words = _required(instruction, rest)
    if "=" not in words[0]:
        name, _, value = rest.partition(" ")
        if not value.strip():
            raise InvalidParameter(f"{instruction} must have two arguments")
        pairs = [(name, value.strip())]
    else:
        pairs = []
        for word in words:
            name, equals, value = word.partition("=")
            if not equals:
                raise InvalidParameter(
                    f"Syntax error - can't find = in {json.dumps(word)}. Must be of the form: name=value"
                )
            pairs.append((name, value))
    expanded = [(_expand(name, config), _expand(value, config)) for name, value in pairs]
    if not all(name for name, _ in expanded):
        raise InvalidParameter(f"{instruction} names can not be blank")
    return expanded


def _words(text: str) -> list[str]:
    """Split at blanks outside of quotes; quotes and backslashes stay for ``_expand``."""
    words: list[str] = []
    word = ""
    quote = ""
    at = 0
    while at < len(text):
        character = text[at]
        if character == "\\" and quote != "'" and at + 1 < len(text):
            word += text[at : at + 2]
            at += 2
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character.isspace():
            if word:
                words.append(word)
            word = ""
            at += 1
            continue
        word += character
        at += 1
    return [*words, word] if word else words


def _expand(word: str, config: Config) -> str:
    """Take quotes and backslashes away and put in the variables of ``Env``, as a shell would."""
    environment = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    result = ""
    quote = ""
    at = 0
    while at < len(word):
        character = word[at]
        if character == "\\" and quote != "'" and at + 1 < len(word):
            following = word[at + 1]
            result += following if not quote or following in '"$\\' else character + following
            at += 2
        elif character == "$" and quote != "'" and (found := _VARIABLE.match(word, at)):
            result += _value(found, environment)
            at = found.end()
        else:
            if quote and character == quote:
                quote = ""
            elif not quote and character in "'\"":
                quote = character
            else:
                result += character
            at += 1
    if quote:
        name = "double" if quote == '"' else "single"
        text = f"unexpected end of statement while looking for matching {name}-quote"
        raise InvalidParameter(f"failed to process {json.dumps(word)}: {text}")
    return result


def _value(found: re.Match[str], environment: dict[str, str]) -> str:
    value = environment.get(found[1] or found[2], "")
    if found[3] == "-":
        return value or found[4]
    if found[3] == "+":
        return found[4] if value else ""
    return value
