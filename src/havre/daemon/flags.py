"""The command line of havred, read into the values that were given and nothing else."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from havre import __version__
from havre.daemon.options import OPTIONS, Option
from havre.errors import InvalidParameter

_TRUE = ("1", "t", "true", "yes")
_SWITCH = "bool"
_FALSE = ("0", "f", "false", "no")


@dataclass(frozen=True, slots=True)
class Flags:
    """``values`` holds, by field name, the options that were on the command line."""

    values: dict[str, Any]
    config_file: Path | None
    validate: bool


def parse(arguments: Sequence[str] | None = None) -> Flags:
    """Read ``arguments`` (those of the process by default). Ends the process for --help, --version and errors."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    found = vars(parser.parse_args([_with_value(argument) for argument in given]))
    config_file, validate = found.pop("config_file", None), found.pop("validate", False)
    values = {option.field: _collect(option, found[option.field]) for option in OPTIONS if option.field in found}
    return Flags(values, config_file, validate)


class _Help(argparse.HelpFormatter):
    """dockerd's look: all spellings of a flag, then the kind of its value once."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=110)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        kind = action.metavar if isinstance(action.metavar, str) and action.metavar != _SWITCH else ""
        return f"{', '.join(action.option_strings)} {kind}".rstrip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        formatter_class=_Help,
        prog="havred",
        usage="havred [OPTIONS]",
        description="A container engine that speaks the Docker Engine's language.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        epilog="All options but --config-file, --validate and --version can stand in the configuration file instead.",
    )
    for option in OPTIONS:
        if option.flags:
            _add(parser, option)
    parser.add_argument(
        "--config-file", type=Path, metavar="file", help="Daemon configuration file (default /etc/havre/daemon.json)"
    )
    parser.add_argument("--validate", action="store_true", help="Check the configuration and end")
    parser.add_argument("-v", "--version", action="version", version=f"havred version {__version__}")
    return parser


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    if option.kind == "flag":
        parser.add_argument(*option.flags, dest=option.field, type=_boolean, metavar=_SWITCH, help=option.help)
    elif option.kind == "number":
        parser.add_argument(*option.flags, dest=option.field, type=int, metavar=option.metavar, help=option.help)
    else:
        action = "store" if option.kind == "text" else "append"
        parser.add_argument(*option.flags, dest=option.field, action=action, metavar=option.metavar, help=option.help)


def _with_value(argument: str) -> str:
    """``-D`` and ``--iptables`` say true; argparse then knows but one form, ``--iptables=false``."""
    switches = {flag for option in OPTIONS if option.kind == "flag" for flag in option.flags}
    if argument not in switches:
        return argument
    return f"{argument}true" if len(argument) == 2 else f"{argument}=true"


def _boolean(text: str) -> bool:
    word = text.lower().removeprefix("=")
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _collect(option: Option, value: Any) -> Any:
    if option.kind == "list":
        return tuple(value)
    if option.kind == "map":
        pairs = {}
        for entry in value:
            name, equals, text = entry.partition("=")
            if not (name and equals):
                raise InvalidParameter(f"invalid value {entry!r} for {option.flags[-1]}: must be {option.metavar}")
            pairs[name] = text
        return pairs
    return value
