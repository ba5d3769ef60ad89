"""``havre``: reads the global flags, finds the command in the table, imports that module alone, and turns errors into
exit codes.

Start-up time is a feature: what is imported here and below for every command is kept to a few small modules (no
argparse, re, json, socket, typing, dataclasses). Tests hold it there.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter

from havre.cli.commands import COMMANDS, GROUPS
from havre.cli.context import Context
from havre.cli.errors import ArityError, CommandError, FlagError
from havre.cli.parser import HelpWanted, Parser
from havre.errors import HavreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from havre.cli.parser import Args

BEGAN = perf_counter()
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
INTERRUPTED = 130
NOBODY_READS = 141


def program() -> NoReturn:
    """The process of a command line: it ends at once with the code of ``main``, without the interpreter's tidying up,
    which costs a millisecond and has nothing to do (a thread may still be reading the terminal).
    """
    code = main()
    try:
        sys.stderr.flush()
    finally:
        os._exit(code & 0xFF)


def main(argv: list[str] | None = None) -> int:
    """Run a command line (``sys.argv`` if none is given) → the exit code: the command's own; 125 wrong flags; 1 any
    other failure; 130 interrupted; 141 nobody reads our output.
    """
    _open_streams()
    code: int
    try:
        code = _main(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except CommandError as error:
        code = _fail(error.message, error.exit_code)
    except HavreError as error:
        code = _fail(str(error), 1)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output is gone. Point stdout away so that the interpreter's last flush does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = NOBODY_READS
    except OSError as error:
        # What is left is our own end: a full disk, a terminal that went away.
        code = _fail(f"havre: {error}", 1)
    return code


def _open_streams() -> None:
    """A program may be started with its output closed (``>&-``); Python then has None for it, and nothing to
    write to.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def global_parser() -> Parser:
    """The flags that stand before the command."""
    parser = Parser()
    parser.interspersed = False
    parser.arity(0, 1_000_000)
    flag = parser.flag
    flag("config", "", "string", "Location of client config files ($DOCKER_CONFIG, ~/.docker)")
    flag("context", "c", "string", "Name of the docker context whose daemon to talk to (overrides the environment)")
    flag("debug", "D", "bool", "Enable debug mode")
    flag("host", "H", "list", "Daemon socket to connect to ($HAVRE_HOST, $DOCKER_HOST)")
    flag(
        "log-level", "l", "string", 'Set the logging level ("debug", "info", "warn", "error", "fatal")', default="info"
    )
    flag("tls", "", "bool", "Use TLS; implied by --tlsverify")
    flag("tlscacert", "", "string", "Trust certs signed only by this CA")
    flag("tlscert", "", "string", "Path to TLS certificate file")
    flag("tlskey", "", "string", "Path to TLS key file")
    flag("tlsverify", "", "bool", "Use TLS and verify the remote")
    flag("version", "v", "bool", "Print version information and quit")
    return parser


def _main(words: list[str]) -> int:
    parser = global_parser()
    try:
        options = parser.parse(words)
    except HelpWanted:
        parser.notes.clear()
        return _explain("", parser)
    except FlagError as error:
        return _wrong(error, "[OPTIONS] COMMAND [ARG...]", "")
    if options.log_level not in LOG_LEVELS:
        raise CommandError(f"Unable to parse logging level: {options.log_level}")
    if options.version:
        return _version()
    if not options.args:
        return _explain("", parser)
    command, rest = _find(options.args)
    if command == "help":
        return _help(rest, parser)
    if command not in COMMANDS:
        return _group(command, rest)
    return _run(options, command, rest)


def _find(words: list[str]) -> tuple[str, list[str]]:
    """The command's full name and what follows it; a group's name where no command follows it."""
    # ``port add`` and ``port add 80`` are Docker's way to ask for the ports of a container that is called add.
    group = words[0] in GROUPS or len(words) > 3 or (len(words) == 3 and not words[2][:1].isdigit())
    if group and len(words) > 1 and f"{words[0]} {words[1]}" in COMMANDS:
        return f"{words[0]} {words[1]}", words[2:]
    return words[0], words[1:]


def load(command: str) -> Any:
    """The module of a command of the table."""
    from importlib import import_module

    return import_module(f"havre.cli.commands.{COMMANDS[command][0]}")


def _run(options: Args, command: str, rest: list[str]) -> int:
    module = load(command)
    parser = Parser()
    module.configure(parser)
    try:
        args = parser.parse(rest)
    except HelpWanted:
        return _explain(command, parser)
    except FlagError as error:
        _tell(parser)
        return _wrong(error, module.USAGE, command)
    except ArityError as error:
        _tell(parser)
        message = f"havre: 'havre {command}' {error.message}"
        return _wrong(CommandError(message, error.exit_code), module.USAGE, command, error.hint)
    _tell(parser)
    ctx = Context(options, command, began=BEGAN, needs=parser.needs)
    try:
        code: int = module.run(args, ctx)
    finally:
        ctx.close()
    return code


def _tell(parser: Parser) -> None:
    """Docker's client tells of flags that are going away on stdout, and so it is done here."""
    sys.stdout.write("".join(f"{note}\n" for note in parser.notes))


def _help(words: list[str], parser: Parser) -> int:
    command, rest = _find([*words, "--help"]) if words else ("", [])
    rest = rest[:-1]
    if command in COMMANDS or not command or (command in GROUPS and not rest):
        return _explain(command, parser)
    return _fail(f"unknown help topic: {rest[0] if command in GROUPS else command}", 1)


def _explain(command: str, parser: Parser) -> int:
    from havre.cli.help import command_help, group_help, main_help

    _tell(parser)
    if not command:
        text = main_help(global_parser())
    elif command in GROUPS:
        text = group_help(command)
    else:
        module = load(command)
        parser = Parser()
        module.configure(parser)
        text = command_help(command, COMMANDS[command][0], module.USAGE, module.HELP, parser)
    sys.stdout.write(text)
    return 0


def _group(command: str, rest: list[str]) -> int:
    if command not in GROUPS:
        return _unknown(command)
    names = [word for word in rest if not word.startswith("-")]
    if names and names != ["help"]:
        return _unknown(f"{command} {names[0]}")
    if not names and rest and rest[0] not in ("--help", "-h"):
        return _wrong(FlagError(f"unknown flag: {rest[0].partition('=')[0]}"), "", command)
    if rest:
        return _explain(command, Parser())
    from havre.cli.help import group_help

    sys.stderr.write(group_help(command))
    return 0


# Docker's commands that havre has not: said so, where "unknown command" would send people looking for a typing error.
_NOT_YET = (
    *("buildx completion compose config context manifest".split()),
    *("node plugin secret service stack swarm trust".split()),
)


def _unknown(command: str) -> int:
    from havre.cli.help import suggestion

    if command in _NOT_YET:
        return _fail(f"havre: havre does not implement {command} yet\n\nRun 'havre --help' for what it has", 1)
    group = command.partition(" ")[0] if " " in command else ""
    usage = f"\nUsage:  havre {group}\n" if group else ""
    name = f"havre {group}".rstrip()
    return _fail(
        f"havre: unknown command: havre {command}\n{suggestion(command)}{usage}\n"
        f"Run '{name} --help' for more information",
        1,
    )


def _wrong(error: CommandError, usage: str, command: str, hint: str = "Run") -> int:
    from havre.cli.help import usage_lines

    name = f"havre {command}".rstrip()
    lines = usage_lines(command, usage) if command and usage else f"{name} {usage}".rstrip()
    text = f"{error.message}\n\nUsage:  {lines}\n\n{hint} '{name} --help' for more information"
    return _fail(text, error.exit_code)


def _version() -> int:
    from havre import __version__

    sys.stdout.write(f"havre version {__version__}\n")
    return 0


def _fail(message: str, code: int) -> int:
    try:
        sys.stdout.flush()
    except OSError:
        # Nobody reads, or the disk is full: what is to be said now goes to stderr.
        pass
    if message:
        sys.stderr.write(f"{message}\n")
    return code


if __name__ == "__main__":
    program()
