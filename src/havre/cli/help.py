"""``--help``, usage lines and suggestions, in the shape of Docker's CLI. Imported when something has to be
explained.
"""

from __future__ import annotations

import os

from havre.cli.commands import COMMANDS, COMMON, GROUPS
from havre.cli.parser import Flag, Parser

_MIN_TEXT = 24
_SLOP = 5


def command_help(command: str, module: str, usage: str, summary: str, parser: Parser) -> str:
    """The whole help of one command."""
    parts = [f"Usage:  {usage_lines(command, usage)}\n\n{summary}\n"]
    names = sorted((name for name, (other, _) in COMMANDS.items() if other == module), key=_rank)
    if len(names) > 1:
        parts.append("Aliases:\n  " + ", ".join(f"havre {name}" for name in names) + "\n")
    if parser.takes_short("h"):
        # Where -h means something else, --help is worth a line.
        parser.flag("help", "", "bool", "Print usage")
    shown = [flag for name, flag in sorted(parser.flags.items()) if name == flag.long and not flag.hidden]
    if shown:
        parts.append("Options:\n" + flag_lines(shown))
    more = [(name.partition(" ")[2], text) for name, (_, text) in COMMANDS.items() if name.startswith(f"{command} ")]
    if more:
        parts.append("Commands:\n" + _listing(more))
        parts.append(f"Run 'havre {command} COMMAND --help' for more information on a command.\n")
    return "\n".join(parts)


_SECOND_NAMES = ("list", "ps", "remove")


def _rank(name: str) -> tuple[bool, bool, str]:
    """The order of a command's names: in its group first, its usual name there before the others."""
    group, _, tail = name.rpartition(" ")
    return not group, tail in _SECOND_NAMES, name


def usage_lines(command: str, usage: str) -> str:
    """A module's USAGE under the name it was called by: ``havre image rm`` has the arguments of ``havre rmi``."""
    return "\n\t".join(f"havre {command} {_arguments(line)}".rstrip() for line in usage.splitlines())


def _arguments(line: str) -> str:
    words = line.split(" ")
    while words and words[0].islower() and words[0].isalpha():
        words.pop(0)
    return " ".join(words)


def main_help(parser: Parser) -> str:
    """The help of ``havre`` itself."""
    single = sorted(name for name in COMMANDS if " " not in name)
    rest = [(name, COMMANDS[name][1]) for name in single if name not in COMMON]
    sections = [
        "Usage:  havre [OPTIONS] COMMAND\n\nA container engine that speaks the Docker Engine's language\n",
        "Common Commands:\n" + _listing([(name, COMMANDS[name][1]) for name in COMMON]),
        "Management Commands:\n" + _listing(sorted(GROUPS.items())),
        "Commands:\n" + _listing(rest),
        "Global Options:\n" + flag_lines([flag for _, flag in sorted(parser.flags.items())]),
        "Run 'havre COMMAND --help' for more information on a command.\n",
    ]
    return "\n".join(sections)


def group_help(group: str) -> str:
    """The help of a management command: its sub-commands, aliases left out."""
    rows: dict[str, tuple[str, str]] = {}
    for name, (module, text) in sorted(COMMANDS.items()):
        head, _, tail = name.partition(" ")
        if head == group and tail not in _SECOND_NAMES:
            rows[tail] = (module, text)
    listing = _listing([(name, text) for name, (_, text) in rows.items()])
    return (
        f"Usage:  havre {group} COMMAND\n\n{GROUPS[group]}\n\nCommands:\n{listing}\n"
        f"Run 'havre {group} COMMAND --help' for more information on a command.\n"
    )


def suggestion(words: str) -> str:
    """``Did you mean`` for a command that does not exist; "" where nothing is near."""
    from difflib import get_close_matches

    group, _, tail = words.partition(" ")
    if tail and group in GROUPS:
        known = [name.partition(" ")[2] for name in COMMANDS if name.startswith(f"{group} ")]
        near = [f"{group} {name}" for name in get_close_matches(tail, known, 3, 0.6)]
    else:
        near = get_close_matches(group, [name for name in (*COMMANDS, *GROUPS) if " " not in name], 3, 0.6)
    if not near:
        return ""
    return "\nDid you mean:\n" + "".join(f"  havre {name}\n" for name in near)


def flag_lines(flags: list[Flag]) -> str:
    """The flags in two columns, wrapped to the terminal as pflag wraps them."""
    rows = []
    for flag in flags:
        head = f"  -{flag.short}, --{flag.long}" if flag.short else f"      --{flag.long}"
        default = f" (default {shown})" if (shown := default_shown(flag)) else ""
        rows.append((head if flag.kind == "bool" else f"{head} {flag.word}", flag.help + default))
    column = max(len(head) for head, _ in rows) + 3
    width = _columns() - 1
    return "".join(f"{head}{' ' * (column - len(head))}{_wrapped(text, column, width)}\n" for head, text in rows)


def default_shown(flag: Flag) -> str:
    """What help says a flag is when it is not given; "" where that goes without saying."""
    if flag.shows:
        return flag.shows
    if flag.default in (None, False, "", 0) or flag.repeated:
        return ""
    return f'"{flag.default}"' if isinstance(flag.default, str) else str(flag.default).lower()


def _columns() -> int:
    try:
        return os.get_terminal_size(0).columns or 80
    except OSError:
        return 80


def _listing(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "".join(f"  {name.ljust(max(width, 11))} {text}\n" for name, text in rows)


def _wrapped(text: str, indent: int, width: int) -> str:
    """pflag's wrapping: lines of ``width`` minus ``indent``, a little over where that spares a last short word."""
    lead = ""
    room = width - indent
    if room < _MIN_TEXT:
        indent = 16
        room = width - indent
        lead = "\n" + " " * indent
    if room < _MIN_TEXT:
        return text.replace("\n", lead)
    room -= _SLOP
    newline = "\n" + " " * indent
    line, rest = _cut(text, room)
    out = lead + line.replace("\n", newline)
    while rest:
        line, rest = _cut(rest, room)
        out += newline + line.replace("\n", newline)
    return out


def _cut(text: str, room: int) -> tuple[str, str]:
    if room + _SLOP > len(text):
        return text, ""
    at = max(text.rfind(mark, 0, room) for mark in " \t\n")
    if at <= 0:
        return text, ""
    line_end = text.rfind("\n", 0, room)
    if 0 < line_end < at:
        at = line_end
    return text[:at], text[at + 1 :]
