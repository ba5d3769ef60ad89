r"""Regular expressions of others, searched for in time that grows with pattern and text, whatever the pattern is.

Who comes in: filters by name, and the log options that choose labels and variables. Python's ``re`` tries one way
after the other, and for ``(a+)+$`` there are so many that the daemon would never answer again. Docker's are those of
Go, which follow all ways at once; so do these. The syntax is Go's, without ``\p{…}`` and octal numbers.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

MAX_STATES = 1000
MAX_DEPTH = 100
MAX_REPEAT = 1000
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7F",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_QUANTIFIER = re.compile(r"(?:([*+?])|\{([0-9]+)(,?)([0-9]*)\})(\??)", re.ASCII)
_GROUP = re.compile(r"\((?:\?(?:P?<(?P<name>\w+)>|(?P<flags>[imsU]*(?:-[imsU]+)?)(?P<end>[:)])))?", re.ASCII)
_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]{1,6}\}|[afnrtvdDwWsS]|[^\w])", re.ASCII)
_IN_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")
_FLAGS = {"i": re.IGNORECASE, "s": re.DOTALL, "m": re.MULTILINE}


class PatternError(ValueError):
    """Not a regular expression, in Go's words."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"error parsing regexp: {what}: `{where}`")


@dataclass(frozen=True, slots=True)
class _One:
    """A character, of those that ``test`` matches."""

    test: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _At:
    """A place between characters."""

    test: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Row:
    parts: "list[_Node]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Choice:
    branches: "list[_Row]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Repeated:
    node: "_Node"
    least: int
    most: int | None


_Node = _One | _At | _Row | _Choice | _Repeated


class Pattern:
    """A regular expression that was read. ``PatternError`` for what is none."""

    def __init__(self, text: str) -> None:
        self._text = text
        # A state is a test and what follows, or (without a test) several that follow.
        self._states: list[tuple[_One | _At | None, list[int]]] = []
        self._first = self._follow(_Reader(text).read(), self._add(None, []))

    def found_in(self, text: str) -> bool:
        """Whether any part of ``text`` is matched."""
        waiting: set[int] = set()
        for place in range(len(text) + 1):
            states = self._reach({*waiting, self._first}, text, place)
            if 0 in states:
                return True
            waiting = set()
            for state in states:
                test, following = self._states[state]
                if isinstance(test, _One) and place < len(text) and test.test.match(text[place]):
                    waiting.update(following)
        return False

    def _reach(self, states: set[int], text: str, place: int) -> set[int]:
        open_ends = list(states)
        while open_ends:
            test, following = self._states[open_ends.pop()]
            if isinstance(test, _One) or (test is not None and not test.test.match(text, place)):
                continue
            new = [state for state in following if state not in states]
            states.update(new)
            open_ends += new
        return states

    def _add(self, test: _One | _At | None, following: list[int]) -> int:
        if len(self._states) > MAX_STATES:
            raise PatternError("expression too large", self._text)
        self._states.append((test, following))
        return len(self._states) - 1

    def _follow(self, node: _Node, then: int) -> int:
        """The state where ``node`` begins, if ``then`` comes after it."""
        match node:
            case _One() | _At():
                return self._add(node, [then])
            case _Row(parts):
                for part in reversed(parts):
                    then = self._follow(part, then)
                return then
            case _Choice(branches):
                return self._add(None, [self._follow(branch, then) for branch in branches])
            case _Repeated(inner, least, most):
                if most is None:
                    loop = self._add(None, [then])
                    self._states[loop][1].append(self._follow(inner, loop))
                    then = loop
                else:
                    end = then
                    for _ in range(most - least):
                        then = self._add(None, [end, self._follow(inner, then)])
                for _ in range(least):
                    then = self._follow(inner, then)
                return then


class _Reader:
    """Reads one pattern, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._flags = 0

    def read(self) -> _Node:
        node = self._choice()
        if self._at < len(self._text):
            raise PatternError("unexpected )", self._text)
        return node

    def _choice(self) -> _Choice:
        found = _Choice([_Row()])
        while self._at < len(self._text) and self._text[self._at] != ")":
            if self._text[self._at] == "|":
                self._at += 1
                found.branches.append(_Row())
            elif quantifier := _QUANTIFIER.match(self._text, self._at):
                self._repeat(found.branches[-1].parts, quantifier)
            else:
                found.branches[-1].parts.extend(self._atom())
        return found

    def _repeat(self, parts: list[_Node], quantifier: re.Match[str]) -> None:
        sign, least, comma, most, _ = quantifier.groups()
        if not parts:
            raise PatternError("missing argument to repetition operator", quantifier[0])
        self._at = quantifier.end()
        if again := _QUANTIFIER.match(self._text, self._at):
            raise PatternError("invalid nested repetition operator", quantifier[0] + again[0])
        low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(sign or "", (0, None))
        if not sign:
            if max(len(least), len(most)) > 4:
                raise PatternError("invalid repeat count", quantifier[0])
            low = int(least)
            high = int(most) if most else None if comma else low
            if max(low, high or 0) > MAX_REPEAT or (high is not None and high < low):
                raise PatternError("invalid repeat count", quantifier[0])
        parts[-1] = _Repeated(parts[-1], low, high)

    def _atom(self) -> list[_Node]:
        sign = self._text[self._at]
        if sign == "(":
            return self._group()
        if sign == "[":
            return [self._class()]
        if sign == "\\":
            return self._escape()
        self._at += 1
        if sign == ".":
            return [self._one(".")]
        if sign == "^":
            return [_At(re.compile("^" if self._flags & re.MULTILINE else r"\A", self._flags))]
        if sign == "$":
            return [_At(re.compile("$" if self._flags & re.MULTILINE else r"\Z", self._flags))]
        return [self._one(re.escape(sign))]

    def _one(self, pattern: str) -> _One:
        return _One(re.compile(pattern, self._flags | re.ASCII))

    def _group(self) -> list[_Node]:
        opening = _GROUP.match(self._text, self._at)
        if opening is None or self._text.startswith("?", opening.end()):
            raise PatternError("invalid or unsupported Perl syntax", self._text[self._at : self._at + 3])
        self._at = opening.end()
        outer = self._flags
        for on, words in zip((True, False), (opening["flags"] or "").partition("-")[::2], strict=True):
            for word in words:
                flag = _FLAGS.get(word, 0)
                self._flags = self._flags | flag if on else self._flags & ~flag
        if opening["end"] == ")":
            return []
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise PatternError("expression nests too deeply", self._text)
        inner = self._choice()
        if self._at >= len(self._text):
            raise PatternError("missing closing )", self._text)
        self._at += 1
        self._depth -= 1
        self._flags = outer
        return [inner]

    def _escape(self) -> list[_Node]:
        rest = self._text[self._at : self._at + 2]
        if rest in (r"\A", r"\b", r"\B", r"\z"):
            self._at += 2
            return [_At(re.compile(r"\Z" if rest == r"\z" else rest, re.ASCII))]
        if rest == r"\Q":
            literal = self._text[self._at + 2 :].partition(r"\E")[0]
            self._at = min(self._at + 4 + len(literal), len(self._text))
            return [self._one(re.escape(character)) for character in literal]
        return [self._one(self._escaped())]

    def _escaped(self) -> str:
        found = _ESCAPE.match(self._text, self._at)
        if found is None:
            whole = self._text[self._at : self._at + 2]
            raise PatternError(
                "trailing backslash at end of expression" if whole == "\\" else "invalid escape sequence", whole
            )
        self._at = found.end()
        if found[0].startswith(r"\x"):
            number = int(found[0][2:].strip("{}"), 16)
            if number > 0x10FFFF:
                raise PatternError("invalid escape sequence", found[0])
            return re.escape(chr(number))
        return found[0]

    def _class(self) -> _One:
        start = self._at
        self._at += 1
        translated = "["
        if self._text.startswith("^", self._at):
            translated += "^"
            self._at += 1
        first = True
        while first or not self._text.startswith("]", self._at):
            if self._at >= len(self._text):
                raise PatternError("missing closing ]", self._text[start:])
            translated += self._member()
            first = False
        self._at += 1
        try:
            return self._one(f"{translated}]")
        except re.error:
            raise PatternError("invalid character class range", self._text[start : self._at]) from None

    def _member(self) -> str:
        sign = self._text[self._at]
        if named := _IN_CLASS.match(self._text, self._at):
            if named[1] or named[2] not in _POSIX:
                raise PatternError("invalid character class range", named[0])
            self._at = named.end()
            return _POSIX[named[2]]
        if sign == "\\":
            return self._escaped()
        self._at += 1
        return sign if sign == "-" else re.escape(sign)


@lru_cache(maxsize=64)
def pattern(text: str) -> Pattern:
    """``text`` as a regular expression. ``PatternError`` if it is none."""
    return Pattern(text)
