"""Words with variables, quotes and escapes: what ``$NAME``, ``${NAME:-default}`` and their kin become.

The rules are the Dockerfile's, which are a shell's with less in it: no commands, no globs, no arithmetic. Facts:
Dockerfile reference, "Environment replacement", and BuildKit's behaviour where that is silent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from havre.dockerfile import shellpatterns
from havre.dockerfile.faults import DockerfileError

_SPECIAL = frozenset("@*#?-$!0")
_DEEPEST = 64
# What the variables of one word may become in all, and the steps that its patterns may take: words that double each
# other, and patterns on long values, would else never end.
_LONGEST = 1 << 20
_MOST_WORK = 30_000_000


@dataclass(slots=True)
class Expansion:
    """What a word became; ``unset`` are the variables it named that have no value."""

    text: str = ""
    words: list[str] = field(default_factory=list)
    unset: set[str] = field(default_factory=set)


def expand(
    word: str,
    variables: Mapping[str, str],
    escape: str = "\\",
    *,
    raw_quotes: bool = False,
    raw_escapes: bool = False,
    keep_unset: bool = False,
) -> Expansion:
    """``word`` with its variables replaced, quotes and escapes taken away.

    ``raw_quotes`` and ``raw_escapes`` leave those where they are, ``keep_unset`` leaves variables without a value as
    they are written. Raises ``DockerfileError`` for quotes and braces that do not end, for ``${NAME:?}`` and for
    substitutions the language does not have.
    """
    lexer = _Lexer(word, variables, escape, raw_quotes, raw_escapes, keep_unset)
    lexer.run()
    return Expansion(lexer.text, lexer.words, lexer.unset)


class _Lexer:
    """One pass over one word."""

    def __init__(
        self,
        source: str,
        variables: Mapping[str, str],
        escape: str,
        raw_quotes: bool,
        raw_escapes: bool,
        keep_unset: bool,
    ) -> None:
        self._source = source
        self._at = 0
        self._variables = variables
        self._escape = escape
        self._raw_quotes = raw_quotes
        self._raw_escapes = raw_escapes
        self._keep_unset = keep_unset
        self._depth = 0
        self._grown = 0
        self._work = 0
        self.text = ""
        self.words: list[str] = []
        self.unset: set[str] = set()

    def run(self) -> None:
        try:
            self.text, self.words = self._until("")
        except DockerfileError as error:
            raise DockerfileError(f"failed to process {_quoted(_short(self._source))}: {error.reason}") from None

    # -- signs --

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _next(self) -> str:
        sign = self._peek()
        self._at += 1
        return sign

    # -- grammar --

    def _until(self, stop: str, raw_escapes: bool = False) -> tuple[str, list[str]]:
        """Everything before ``stop`` (nothing: the end), as one text and as words."""
        if self._depth > _DEEPEST:
            raise DockerfileError("substitutions are nested too deeply")
        self._depth += 1
        raw = self._raw_escapes
        self._raw_escapes = raw or raw_escapes
        text: list[str] = []
        words = _Words()
        while (sign := self._peek()) and sign != stop:
            if sign == "'":
                part = self._single()
                words.add(part, quoted=True)
            elif sign == '"':
                part = self._double()
                words.add(part, quoted=True)
            elif sign == "$":
                part = self._dollar()
                words.add(part, quoted=False)
            elif sign == self._escape:
                part = self._escaped()
                words.add(part, quoted=True) if part else None
            else:
                part = self._next()
                words.add(part, quoted=False)
            text.append(part)
        self._raw_escapes = raw
        self._depth -= 1
        if stop and not self._next():
            raise DockerfileError(f"syntax error: missing {stop!r}")
        return "".join(text), words.finished()

    def _escaped(self) -> str:
        """An escape and what it protects; an escape at the very end stands for nothing."""
        escape = self._next()
        protected = self._next()
        if self._raw_escapes:
            return escape + protected
        return protected

    def _single(self) -> str:
        begin = self._at
        end = self._source.find("'", begin + 1)
        if end < 0:
            raise DockerfileError("unexpected end of statement while looking for matching single-quote")
        self._at = end + 1
        return self._source[begin : end + 1] if self._raw_quotes else self._source[begin + 1 : end]

    def _double(self) -> str:
        quote = self._next()
        parts = [quote] if self._raw_quotes else []
        while (sign := self._peek()) != '"':
            if not sign:
                raise DockerfileError("unexpected end of statement while looking for matching double-quote")
            if sign == "$":
                parts.append(self._dollar())
            elif sign == self._escape:
                parts.append(self._escaped_in_double())
            else:
                parts.append(self._next())
        self._at += 1
        return "".join([*parts, quote] if self._raw_quotes else parts)

    def _escaped_in_double(self) -> str:
        escape = self._next()
        sign = self._peek()
        if not sign:
            raise DockerfileError("unexpected end of statement while looking for matching double-quote")
        self._at += 1
        # Only what means something between double quotes can be protected from it.
        if sign in ('"', "$", self._escape) and not self._raw_escapes:
            return sign
        return escape + sign

    def _dollar(self) -> str:
        self._at += 1
        if self._peek() == "{":
            return self._braced()
        name = self._name()
        if not name:
            return "$"
        value = self._value(name)
        return (f"${name}" if self._keep_unset else "") if value is None else value

    def _name(self) -> str:
        """A variable's name, which may be empty; special parameters and digits are names of one sign."""
        first = self._peek()
        if first and (first in _SPECIAL or first.isdigit()):
            return self._next()
        begin = self._at
        while (sign := self._peek()) and (sign == "_" or (sign.isascii() and sign.isalnum())):
            self._at += 1
        return self._source[begin : self._at]

    def _value(self, name: str) -> str | None:
        value = self._variables.get(name)
        if value is None:
            self.unset.add(name)
        else:
            self._grow(len(value))
        return value

    def _grow(self, count: int) -> None:
        self._grown += count
        if self._grown > _LONGEST:
            raise DockerfileError(f"the variables of one word become longer than {_LONGEST >> 20} MiB")

    def _labour(self, pattern: str, value: str, by: str | None = None) -> None:
        """Raises when the patterns of this word, and what is put for what they fit, would take too long."""
        each = len(value) + 1 if by is not None and "*" in pattern else 1
        self._work += ((len(pattern) + 1) * each + len(by or "")) * (len(value) + 1)
        if self._work > _MOST_WORK:
            raise DockerfileError("a pattern is too long for the value it is for")

    def _braced(self) -> str:
        begin = self._at - 1
        self._at += 1
        if not self._peek():
            raise DockerfileError("syntax error: missing '}'")
        if self._peek() in "{}:":
            raise DockerfileError("syntax error: bad substitution")
        name = self._name()
        operator = self._next()
        if not operator:
            raise DockerfileError("syntax error: missing '}'")
        if operator == "}":
            result = self._value(name)
        elif operator == "/":
            result = self._replaced(name)
        else:
            result = self._with_operator(name, operator)
        if result is None:
            return self._source[begin : self._at] if self._keep_unset else ""
        return result

    def _with_operator(self, name: str, operator: str) -> str | None:
        """``${NAME-word}`` and its kin; None when the name has no value and none is given."""
        colon = operator == ":"
        if colon:
            operator = self._next()
        cuts = operator in ("#", "%")
        if not operator or operator not in "+-?#%" or (colon and cuts):
            raise DockerfileError(f"unsupported modifier ({':' if colon else ''}{operator}) in substitution")
        word, _ = self._until("}", raw_escapes=cuts)
        known = name in self._variables
        # Asking is what some are for: a name they find without a value is no mistake.
        value = None if not known and operator in "-+?" else self._value(name)
        if self._keep_unset and value is None:
            return None
        has = bool(value) if colon else value is not None
        if operator == "-":
            return value if has else word
        if operator == "+":
            return word if has else ""
        if operator == "?":
            if not has:
                what = "unset" if value is None else "empty"
                raise DockerfileError(f"{name}: {word or f'is not allowed to be {what}'}")
            return value
        if value is None:
            return None
        self._labour(word, value)
        return _cut(value, operator, word)

    def _replaced(self, name: str) -> str | None:
        """``${NAME/pattern/text}``, and with two slashes everywhere."""
        everywhere = self._peek() == "/"
        if everywhere:
            self._at += 1
        pattern, _ = self._until("/", raw_escapes=True)
        text, _ = self._until("}", raw_escapes=True)
        value = self._value(name)
        if value is None:
            return None
        self._labour(pattern, value, text)
        result = shellpatterns.replaced(value, pattern, text, everywhere)
        self._grow(len(result))
        return result


class _Words:
    """Text cut at blanks, except where quotes or escapes hold it together."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._word: list[str] = []
        self._inside = False

    def add(self, text: str, *, quoted: bool) -> None:
        if quoted:
            self._word.append(text)
            self._inside = True
            return
        for sign in text:
            if sign.isspace():
                self._end()
            else:
                self._word.append(sign)
                self._inside = True

    def _end(self) -> None:
        if self._inside:
            self._done.append("".join(self._word))
            self._word = []
            self._inside = False

    def finished(self) -> list[str]:
        self._end()
        return self._done


def _cut(value: str, operator: str, pattern: str) -> str:
    """``value`` without what ``pattern`` fits at its beginning (#) or end (%); operator doubled: the longest."""
    longest = pattern.startswith(operator)
    cut = shellpatterns.without_prefix if operator == "#" else shellpatterns.without_suffix
    return cut(value, pattern[1:] if longest else pattern, longest)


def _short(text: str) -> str:
    return text if len(text) < 200 else text[:200] + "…"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
