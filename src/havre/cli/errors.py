"""Failures of a command itself, with the exit code the shell shall see."""

from __future__ import annotations

from havre.errors import HavreError


class CommandError(HavreError):
    """The command cannot go on: ``main`` prints ``message`` to stderr as it is and exits with ``exit_code``."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class FlagError(CommandError):
    """The command line is wrong in its flags: the usage follows, and the code is Docker's 125."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 125)


class ArityError(CommandError):
    """The command line has too few or too many arguments: ``message`` lacks the command's name, which ``main`` adds.
    ``hint`` is Docker's word before the way to the help, "Run" or "See".
    """

    def __init__(self, message: str, hint: str = "Run") -> None:
        super().__init__(message)
        self.hint = hint


def with_help(command: str, message: str) -> str:
    """A failure of ``run`` or ``create`` as Docker words it: named, with the way to the command's help."""
    return f"havre: {message}\n\nRun 'havre {command} --help' for more information"
