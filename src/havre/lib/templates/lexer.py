"""Cuts a template into tokens: text between actions, and the words inside them."""

from __future__ import annotations

from havre.lib.quoting import quote

KEYWORDS = frozenset(
    ("block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"),
)
SPACE = " \t\r\n"
_LEFT, _RIGHT = "{{", "}}"
_TERMINATORS = ".,|:)("


class Token:
    """``kind`` names what it is, ``text`` is the source, ``pos`` its place in characters, ``line`` counts from 1.

    Kinds: text left right space pipe declare assign char open close dot field variable identifier keyword bool number
    character string raw eof error (``text`` is the message).
    """

    __slots__ = ("kind", "line", "pos", "text")

    def __init__(self, kind: str, text: str, pos: int, line: int) -> None:
        self.kind = kind
        self.text = text
        self.pos = pos
        self.line = line

    def __str__(self) -> str:
        if self.kind == "eof":
            return "EOF"
        if self.kind == "error":
            return self.text
        if self.kind in ("keyword", "dot"):
            return f"<{self.text}>"
        return f"{quote(self.text[:10])}..." if len(self.text.encode("utf-8", "replace")) > 10 else quote(self.text)


class _Fault(Exception):
    """Ends the scan: the last token becomes an error."""


def tokens(text: str) -> list[Token]:
    """All tokens of ``text``; the last one is of kind ``eof`` or ``error``."""
    return _Lexer(text).run()


class _Lexer:
    def __init__(self, text: str) -> None:
        self.source = text
        self.pos = 0
        self.start = 0
        self.line = 1
        self.found: list[Token] = []

    def run(self) -> list[Token]:
        try:
            while self.pos < len(self.source):
                self._text()
        except _Fault as fault:
            self.found.append(Token("error", str(fault), self.start, self.line))
        else:
            self._emit("eof")
        return self.found

    def _emit(self, kind: str) -> None:
        self.found.append(Token(kind, self.source[self.start : self.pos], self.start, self.line))
        self._ignore()

    def _ignore(self) -> None:
        self.line += self._newlines()
        self.start = self.pos

    def _newlines(self) -> int:
        return self.source.count("\n", self.start, self.pos)

    def _text(self) -> None:
        """Text up to the next action, and that action."""
        action = self.source.find(_LEFT, self.pos)
        end = len(self.source) if action < 0 else action
        trims = action >= 0 and self._trims_left(action + 2)
        self.pos = self.start + len(self.source[self.start : end].rstrip(SPACE)) if trims else end
        if self.pos > self.start:
            self._emit("text")
        self.pos = end
        self._ignore()
        if action >= 0:
            self._action(trims)

    def _trims_left(self, pos: int) -> bool:
        return self.source.startswith("-", pos) and self.source[pos + 1 : pos + 2] in tuple(SPACE)

    def _at_right(self) -> tuple[bool, bool]:
        """Whether the right delimiter is here, and whether it trims."""
        if self.source[self.pos : self.pos + 1] in tuple(SPACE) and self.source.startswith("-" + _RIGHT, self.pos + 1):
            return True, True
        return self.source.startswith(_RIGHT, self.pos), False

    def _action(self, trims: bool) -> None:
        self.pos += 2
        after = self.pos + (2 if trims else 0)
        if self.source.startswith("/*", after):
            self.pos = after
            return self._comment()
        self._emit("left")
        self.pos = after
        self._ignore()
        self._inside()

    def _comment(self) -> None:
        end = self.source.find("*/", self.pos + 2)
        if end < 0:
            raise _Fault("unclosed comment")
        self.pos = end + 2
        closed, trims = self._at_right()
        if not closed:
            raise _Fault("comment ends before closing delimiter")
        self._close(trims)
        self._ignore()

    def _close(self, trims: bool) -> None:
        self.pos += 4 if trims else 2
        if trims:
            while self.source[self.pos : self.pos + 1] in tuple(SPACE):
                self.pos += 1

    def _inside(self) -> None:
        depth = 0
        while True:
            closed, trims = self._at_right()
            if closed:
                if depth:
                    raise _Fault("unclosed left paren")
                return self._right(trims)
            if self.pos >= len(self.source):
                raise _Fault("unclosed action")
            char = self.source[self.pos]
            self.pos += 1
            if char == "(":
                depth += 1
                self._emit("open")
            elif char == ")":
                depth -= 1
                if depth < 0:
                    raise _Fault("unexpected right paren")
                self._emit("close")
            else:
                self._word(char)

    def _right(self, trims: bool) -> None:
        if trims:
            self.pos += 2
            self._ignore()
        self.pos += 2
        self._emit("right")
        if trims:
            while self.source[self.pos : self.pos + 1] in tuple(SPACE):
                self.pos += 1
            self._ignore()

    def _word(self, char: str) -> None:
        if char in SPACE:
            self._space()
        elif char == "=":
            self._emit("assign")
        elif char == ":":
            if self.source[self.pos : self.pos + 1] != "=":
                raise _Fault("expected :=")
            self.pos += 1
            self._emit("declare")
        elif char == "|":
            self._emit("pipe")
        elif char in "\"'`":
            self._quoted(char)
        elif char == "$":
            self._name("variable")
        elif char == "." and not self.source[self.pos : self.pos + 1].isdecimal():
            self._name("field")
        elif char in ".+-" or "0" <= char <= "9":
            self.pos -= 1
            self._number()
        elif _alphanumeric(char):
            self._name("identifier")
        elif char.isascii() and char.isprintable():
            self._emit("char")
        else:
            raise _Fault(f"unrecognized character in action: {_unicode(char)}")

    def _space(self) -> None:
        # The space before a trimming delimiter belongs to the delimiter.
        while self.source[self.pos : self.pos + 1] in tuple(SPACE) and not self._at_right()[1]:
            self.pos += 1
        self._emit("space")

    def _quoted(self, mark: str) -> None:
        what = {'"': "quoted string", "'": "character constant", "`": "raw quoted string"}[mark]
        while True:
            char = self.source[self.pos : self.pos + 1]
            self.pos += 1
            if char == "\\" and mark != "`":
                char = self.source[self.pos : self.pos + 1]
                self.pos += 1
                if char not in ("", "\n"):
                    continue
            if not char or (char == "\n" and mark != "`"):
                self.pos = min(self.pos, len(self.source))
                raise _Fault(f"unterminated {what}")
            if char == mark:
                break
        self._emit({'"': "string", "'": "character", "`": "raw"}[mark])

    def _name(self, kind: str) -> None:
        while _alphanumeric(self.source[self.pos : self.pos + 1]):
            self.pos += 1
        if not self._terminated():
            raise _Fault(f"bad character {_unicode(self.source[self.pos])}")
        word = self.source[self.start : self.pos]
        if kind == "field" and word == ".":
            kind = "dot"
        elif kind == "identifier" and word in KEYWORDS:
            kind = "keyword"
        elif kind == "identifier" and word in ("true", "false"):
            kind = "bool"
        self._emit(kind)

    def _terminated(self) -> bool:
        char = self.source[self.pos : self.pos + 1]
        return not char or char in SPACE or char in _TERMINATORS or self.source.startswith(_RIGHT, self.pos)

    def _accept(self, chars: str) -> bool:
        char = self.source[self.pos : self.pos + 1]
        if char and char in chars:
            self.pos += 1
            return True
        return False

    def _accept_run(self, chars: str) -> None:
        while self._accept(chars):
            pass

    def _number(self) -> None:
        self._accept("+-")
        digits, exponent = "0123456789_", "eE"
        if self._accept("0"):
            if self._accept("xX"):
                digits, exponent = "0123456789abcdefABCDEF_", "pP"
            elif self._accept("oO"):
                digits, exponent = "01234567_", ""
            elif self._accept("bB"):
                digits, exponent = "01_", ""
        self._accept_run(digits)
        if self._accept("."):
            self._accept_run(digits)
        if exponent and self._accept(exponent):
            self._accept("+-")
            self._accept_run("0123456789_")
        if _alphanumeric(self.source[self.pos : self.pos + 1]):
            self.pos += 1
            raise _Fault(f"bad number syntax: {quote(self.source[self.start : self.pos])}")
        self._emit("number")


def _alphanumeric(char: str) -> bool:
    return char == "_" or char.isalpha() or char.isdecimal()


def _unicode(char: str) -> str:
    code = f"U+{ord(char):04X}"
    return f"{code} '{char}'" if char.isprintable() else code
