"""Settings that are flags of ``serve`` and keys of its file at once: declared as the fields of a dataclass.

A field's name is the flag's, with dashes; ``setting`` gives it its help. Texts, numbers, yes or no, and lists (flags
that may be given more than once) are known.
"""

import argparse
from collections.abc import Mapping
from dataclasses import MISSING, field, fields
from typing import Any


def setting(default: Any, text: str, metavar: str = "") -> Any:
    """A field with its default (of which it has the type) and its line of help."""
    return field(default=default, metadata={"help": text, "metavar": metavar})


def add_flags(parser: argparse.ArgumentParser, title: str, kind: type) -> None:
    """Add a flag for each setting of the dataclass ``kind``. What is not given on the command line is left out."""
    group = parser.add_argument_group(title)
    for each in fields(kind):
        if not each.metadata:
            continue
        default, text = each.default, each.metadata["help"]
        assert default is not MISSING
        options: dict[str, Any] = {"dest": each.name, "help": text, "default": argparse.SUPPRESS}
        if isinstance(default, bool):
            options["action"] = "store_true"
        else:
            options["metavar"] = each.metadata["metavar"]
            if isinstance(default, tuple):
                options["action"] = "append"
            elif isinstance(default, int):
                options["type"] = int
            if default not in ("", ()):
                options["help"] = f"{text} (default {default})"
        group.add_argument(f"--{each.name.replace('_', '-')}", **options)


def names(kind: type) -> set[str]:
    """The names of the settings."""
    return {each.name for each in fields(kind) if each.metadata}


def fits(kind: type, name: str, value: object) -> bool:
    """Whether ``value``, from a file, is of the type of that setting."""
    default = next(each.default for each in fields(kind) if each.name == name)
    if isinstance(default, tuple):
        return isinstance(value, list) and all(isinstance(word, str) for word in value)
    return type(value) is type(default)


def build(kind: type, given: Mapping[str, Any]) -> Any:
    """The dataclass with what was given."""
    found = {name: value for name, value in given.items() if name in names(kind)}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in found.items()})
