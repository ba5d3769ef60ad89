"""The command line as Docker's CLI reads it (Go's pflag), which argparse cannot be bent to and takes longer to import.

A command module's ``configure`` declares flags and how many arguments it takes; ``Parser.parse`` gives an ``Args``
whose attributes are the flags (dashes as underscores) and ``args``, the list of what is left.
"""

from __future__ import annotations

from havre.cli.errors import ArityError, FlagError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MANY = 1_000_000
_UNSET: dict[str, Any] = {"bool": False, "int": 0, "uint": 0, "uint16": 0, "bytes": 0, "duration": 0, "decimal": 0}
_REPEATED = ("list", "map")


class Args:
    """Parsed flags as attributes, the arguments in ``args``; ``changed`` tells a flag given from its default."""

    def __init__(self, values: dict[str, Any], given: set[str], args: list[str]) -> None:
        self.__dict__.update(values)
        self.args = args
        self._given = given

    def changed(self, long: str) -> bool:
        """Whether the flag ``--long`` stands on the command line."""
        return long in self._given

    @property
    def given(self) -> bool:
        """Whether any flag stands there."""
        return bool(self._given)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"this command has no flag {name!r}")


class Flag:
    """One declared flag; the fields are ``Parser.flag``'s."""

    __slots__ = (
        "bare",
        "convert",
        "default",
        "deprecated",
        "help",
        "hidden",
        "kind",
        "long",
        "short",
        "shows",
        "since",
        "word",
    )

    def __init__(
        self,
        long: str,
        short: str,
        kind: str,
        help: str,
        default: Any,
        word: str,
        convert: Callable[[str], Any] | str,
        hidden: bool,
        bare: str | None,
        shows: str,
        deprecated: str,
        since: str,
    ) -> None:
        self.long = long
        self.short = short
        self.kind = kind
        self.help = help
        self.default = default
        self.word = word
        self.convert = convert
        self.hidden = hidden
        self.bare = "true" if kind == "bool" else bare
        self.shows = shows
        self.deprecated = deprecated
        self.since = since

    @property
    def repeated(self) -> bool:
        return self.kind in _REPEATED

    def converter(self) -> Callable[[str], Any]:
        """``convert`` itself, imported if it is only named."""
        if callable(self.convert):
            return self.convert
        from importlib import import_module

        module, _, name = self.convert.partition(":")
        found: Callable[[str], Any] = getattr(import_module(module), name)
        return found

    def shown(self) -> str:
        """The flag as Docker's error texts name it: ``-m, --memory``."""
        return f"-{self.short}, --{self.long}" if self.short else f"--{self.long}"

    def start(self) -> Any:
        """The value before the command line is read."""
        if self.default is not None:
            return self.default
        if self.repeated:
            return []
        return _UNSET.get(self.kind, "")


class Parser:
    """The flags and arguments of one command. ``notes`` is what the user has to be told after ``parse``: flags that are
    going away; ``needs`` are the flags given that need an API version, with it.

    Set ``interspersed = False`` where options end at the first argument (run, create, exec).
    """

    def __init__(self) -> None:
        self.flags: dict[str, Flag] = {}
        self._shorts: dict[str, Flag] = {}
        self.interspersed = True
        self.notes: list[str] = []
        self.needs: list[tuple[str, str]] = []
        self._least = 0
        self._most = 0

    def flag(
        self,
        long: str,
        short: str = "",
        kind: str = "bool",
        help: str = "",
        *,
        default: Any = None,
        word: str = "",
        convert: Callable[[str], Any] | str = "",
        hidden: bool = False,
        bare: str | None = None,
        shows: str = "",
        deprecated: str = "",
        since: str = "",
    ) -> None:
        """Declare ``--long`` (and ``-short``).

        ``kind`` says what it takes and gives: ``bool`` (no value; ``--x=false`` works), ``string``, ``int``, ``uint``,
        ``uint16``, ``bytes`` ("512m" → int), ``duration`` ("1m30s" → int nanoseconds), ``decimal`` ("1.5" → int, in
        billionths), ``list`` (repeatable → list[str]), ``map`` (repeatable key=value → list[str], to be split by the
        command). ``word`` is what help shows instead of the kind; ``convert`` turns the text (of each value) into
        something else and raises ValueError with the reason; ``default`` is the value when the flag is not given,
        else the kind's zero; ``shows`` is the default as help shows it where that is not its own text; ``deprecated``
        tells whoever gives the flag what to use instead (and hides it); ``since`` is the API version it needs.
        """
        hidden = hidden or bool(deprecated)
        made = Flag(long, short, kind, help, default, word or kind, convert, hidden, bare, shows, deprecated, since)
        self.flags[long] = made
        if short:
            self._shorts[short] = made

    def takes_short(self, letter: str) -> bool:
        """Whether ``-letter`` is a flag."""
        return letter in self._shorts

    def alias(self, other: str, long: str) -> None:
        """Let ``--other``, which help does not show, mean ``--long``."""
        self.flags[other] = self.flags[long]

    def arity(self, least: int, most: int | None = None) -> None:
        """How many arguments: exactly ``least``, or ``least`` to ``most`` (``MANY`` for no end). Undeclared
        means none.
        """
        self._least = least
        self._most = least if most is None else most

    def parse(self, argv: list[str]) -> Args:
        """Read ``argv``. Raises FlagError and ArityError with Docker's texts. ``--help`` is the caller's: see
        ``wants_help``.
        """
        values: dict[str, Any] = {}
        args: list[str] = []
        rest = iter(argv)
        for word in rest:
            if word == "--":
                args.extend(rest)
            elif word.startswith("--"):
                self._long(word, rest, values)
            elif word.startswith("-") and len(word) > 1:
                self._short_cluster(word, rest, values)
            else:
                args.append(word)
                if not self.interspersed:
                    args.extend(rest)
        self._check_arity(len(args))
        given = set(values)
        self.needs = [(flag.long, flag.since) for flag in self.flags.values() if flag.since and flag.long in given]
        full = {
            flag.long.replace("-", "_"): values[flag.long] if flag.long in given else flag.start()
            for flag in self.flags.values()
        }
        return Args(full, given, args)

    def _long(self, word: str, rest: Any, values: dict[str, Any]) -> None:
        name, equals, value = word[2:].partition("=")
        if not name or name.startswith("-"):
            raise FlagError(f"bad flag syntax: {word}")
        flag = self.flags.get(name)
        if flag is None:
            if name == "help":
                raise HelpWanted
            raise FlagError(f"unknown flag: --{name}")
        if not equals:
            if flag.bare is not None:
                value = flag.bare
            else:
                following = next(rest, None)
                if following is None:
                    raise FlagError(f"flag needs an argument: --{name}")
                value = following
        self._set(flag, value, values)

    def _short_cluster(self, word: str, rest: Any, values: dict[str, Any]) -> None:
        letters = word[1:]
        while letters:
            letter, tail = letters[0], letters[1:]
            flag = self._shorts.get(letter)
            if flag is None:
                if letter == "h":
                    self.notes.append("Flag shorthand -h has been deprecated, use --help")
                    raise HelpWanted
                raise FlagError(f"unknown shorthand flag: {letter!r} in -{letters}")
            if tail.startswith("=") and len(tail) > 1:
                return self._set(flag, tail[1:], values)
            if flag.bare is not None:
                self._set(flag, flag.bare, values)
                letters = tail
                continue
            if not tail:
                following = next(rest, None)
                if following is None:
                    raise FlagError(f"flag needs an argument: {letter!r} in -{letters}")
                tail = following
            return self._set(flag, tail, values)
        return None

    def _set(self, flag: Flag, text: str, values: dict[str, Any]) -> None:
        try:
            value = flag.converter()(text) if flag.convert else convert(flag.kind, text)
        except ValueError as error:
            raise FlagError(f'invalid argument {go_quoted(text)} for "{flag.shown()}" flag: {error}') from error
        if flag.deprecated:
            self.notes.append(f"Flag --{flag.long} has been deprecated, {flag.deprecated}")
        if flag.repeated:
            values.setdefault(flag.long, list(flag.default or ())).append(value)
        else:
            values[flag.long] = value

    def _check_arity(self, count: int) -> None:
        least, most = self._least, self._most
        if least <= count <= most:
            return
        if most == 0:
            raise ArityError("accepts no arguments")
        plural = "" if (most if most < MANY else least) == 1 else "s"
        if least == most:
            raise ArityError(f"requires {least} argument{plural}")
        if most >= MANY:
            raise ArityError(f"requires at least {least} argument{plural}", "See")
        if least == 0:
            raise ArityError(f"requires at most {most} argument{plural}")
        raise ArityError(f"requires at least {least} and at most {most} argument{plural}")


class HelpWanted(Exception):
    """``--help`` (or ``-h`` where it means nothing else) stands on the command line."""


def go_quoted(text: str) -> str:
    """The text as Go's ``%q`` prints it: in double quotes, what is not printable escaped."""
    special = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(special.get(c) or (c if c.isprintable() else f"\\x{ord(c):02x}") for c in text) + '"'


def convert(kind: str, text: str) -> Any:
    """Turn a flag's text into its kind's value (``Parser.flag``). Raises ValueError with Go's or Docker's reason."""
    if kind == "bool":
        if text in ("1", "t", "T", "true", "TRUE", "True"):
            return True
        if text in ("0", "f", "F", "false", "FALSE", "False"):
            return False
        raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    if kind == "int":
        return _integer(text, "ParseInt", -(1 << 63), (1 << 63) - 1)
    if kind == "uint":
        return _integer(text, "ParseUint", 0, (1 << 64) - 1)
    if kind == "uint16":
        return _integer(text, "ParseUint", 0, 65535)
    if kind == "bytes":
        return _size(text)
    if kind == "duration":
        from havre.lib.times import parse_go_duration

        return parse_go_duration(text)
    if kind == "decimal":
        return _billionths(text)
    return text


def _integer(text: str, function: str, least: int, most: int) -> int:
    digits = text.lstrip("+-") if least < 0 else text
    if len(text) - len(digits) > 1 or not digits.isascii() or not digits[:1].isdigit() or digits != digits.strip():
        raise ValueError(f'strconv.{function}: parsing "{text}": invalid syntax')
    try:
        # Go's base 0 also takes C's octal (017), which Python refuses.
        octal = len(digits) > 1 and digits[0] == "0" and digits.isdigit()
        number = int(digits, 8 if octal else 0)
    except ValueError:
        raise ValueError(f'strconv.{function}: parsing "{text}": invalid syntax') from None
    number = -number if text.startswith("-") else number
    if not least <= number <= most:
        raise ValueError(f'strconv.{function}: parsing "{text}": value out of range')
    return number


def _size(text: str) -> int:
    from havre.lib.sizes import parse_bytes

    return parse_bytes(text)


def _billionths(text: str) -> int:
    from fractions import Fraction

    try:
        if text != text.strip():
            raise ValueError(text)
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"failed to parse {text} as a rational number") from None
    scaled = value * 1_000_000_000
    if scaled.denominator != 1:
        raise ValueError("value is too precise")
    return int(scaled)
