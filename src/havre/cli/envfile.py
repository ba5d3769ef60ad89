"""Environment variables and labels from the command line and from files (``-e``, ``--env-file``, ``-l``,
``--label-file``).
"""

from __future__ import annotations

from havre.cli.errors import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SPACES = " \t\n\v\f\r\x85\xa0"
_LONGEST_LINE = 64 * 1024


def check_env(text: str) -> str:
    """One ``-e`` value: ``NAME=value``, or ``NAME`` to be taken from the environment."""
    if not text.partition("=")[0]:
        raise ValueError(f"invalid environment variable: {text}")
    return text


def check_label(text: str) -> str:
    """One ``-l`` value: ``key=value`` or ``key``."""
    key = text.partition("=")[0].lstrip(_SPACES)
    if not key:
        raise ValueError(f"invalid label '{text}': empty name")
    if any(char in _SPACES for char in key):
        raise ValueError(f"label '{key}' contains whitespaces")
    return text


def environment(files: list[str], given: list[str], environ: Mapping[str, str]) -> list[str]:
    """``NAME=value`` of the files, then of the flags; a bare ``NAME`` takes the environment's value.

    A bare name that the environment lacks is left out of a file, and stays bare from a flag: it unsets the image's
    variable.
    """
    out: list[str] = []
    for path in files:
        for name, value in _read(path):
            if value is not None:
                out.append(f"{name}={value}")
            elif name in environ:
                out.append(f"{name}={environ[name]}")
    merged: dict[str, str] = {}
    for text in given:
        name, equals, _ = text.partition("=")
        merged[name] = text if equals or name not in environ else f"{name}={environ[name]}"
    return out + list(merged.values())


def labels(files: list[str], given: list[str]) -> dict[str, str]:
    """The labels of the files, then of the flags; the last one of a key wins."""
    pairs = [(name, value or "") for path in files for name, value in _read(path)]
    for text in given:
        name, _, value = text.partition("=")
        pairs.append((name, value))
    return dict(pairs)


def _read(path: str) -> list[tuple[str, str | None]]:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except IsADirectoryError as error:
        raise _bad(path, f"read {path}: {_reason(error)}") from error
    except OSError as error:
        raise CommandError(f"open {path}: {_reason(error)}") from error
    pairs: list[tuple[str, str | None]] = []
    for number, raw in enumerate(data.split(b"\n"), 1):
        if len(raw) >= _LONGEST_LINE:
            raise _bad(path, "bufio.Scanner: token too long")
        line = raw.removesuffix(b"\r")
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            text = line.decode().lstrip(_SPACES)
        except UnicodeDecodeError:
            shown = " ".join(str(byte) for byte in line)
            raise _bad(path, f"invalid utf8 bytes at line {number}: [{shown}]") from None
        if text and not text.startswith("#"):
            pairs.append(_pair(path, text))
    return pairs


def _pair(path: str, text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not name:
        raise _bad(path, f"no variable name on line '{text}'")
    if equals:
        if any(char in _SPACES for char in name):
            raise _bad(path, f"variable '{name}' contains whitespaces")
        return name, value
    name = text.strip(_SPACES)
    if any(char in _SPACES for char in name):
        raise _bad(path, f"variable '{name}' contains whitespaces")
    return name, None


def _bad(path: str, reason: str) -> CommandError:
    return CommandError(f"invalid env file ({path}): {reason}")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
