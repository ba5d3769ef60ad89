"""Builds the tree of a template from its tokens, by Go's grammar and with Go's error texts."""

from __future__ import annotations

from havre.lib.quoting import quote, unquote
from havre.lib.templates import nodes
from havre.lib.templates.lexer import Token, tokens
from havre.lib.templates.values import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import NoReturn

_OPERANDS = frozenset(
    ("bool", "character", "dot", "field", "identifier", "number", "raw", "string", "variable", "open"),
)
_MAX_INT = 2**63


def parse(name: str, text: str, functions: Collection[str]) -> dict[str, nodes.Block]:
    """The templates in ``text`` by name; the outermost has the name ``name``. Raises TemplateError."""
    trees: dict[str, nodes.Block] = {}
    try:
        _Parser(name, tokens(text), functions, trees).run()
    except RecursionError:
        raise TemplateError(f"template: {name}: nested too deeply") from None
    return trees


class _Parser:
    def __init__(
        self, name: str, found: list[Token], functions: Collection[str], trees: dict[str, nodes.Block]
    ) -> None:
        self.name = name
        self.tokens = found
        self.functions = functions
        self.trees = trees
        self.next = 0
        self.variables = ["$"]
        self.ranges = 0
        self.action_line = 0

    def run(self) -> None:
        root = nodes.Block(0)
        while self._peek_word().kind != "eof":
            node = self._definition() or self._text_or_action()
            if isinstance(node, nodes.End):
                self._fail(f"unexpected {node}")
            if node is not _DEFINED:
                root.nodes.append(node)
        self._add(self.name, root)

    # Tokens

    def _peek(self) -> Token:
        return self.tokens[min(self.next, len(self.tokens) - 1)]

    def _take(self) -> Token:
        token = self._peek()
        self.next += 1
        return token

    def _peek_word(self) -> Token:
        while self._peek().kind == "space":
            self.next += 1
        return self._peek()

    def _take_word(self) -> Token:
        self._peek_word()
        return self._take()

    def _expect(self, kinds: tuple[str, ...], where: str) -> Token:
        token = self._take_word()
        if token.kind not in kinds:
            self._unexpected(token, where)
        return token

    def _fail(self, message: str) -> NoReturn:
        line = self.tokens[min(max(self.next - 1, 0), len(self.tokens) - 1)].line
        raise TemplateError(f"template: {self.name}:{line}: {message}")

    def _unexpected(self, token: Token, where: str) -> NoReturn:
        if token.kind != "error":
            self._fail(f"unexpected {token} in {where}")
        started = ""
        if self.action_line and self.action_line != token.line:
            started = f" in action started at {self.name}:{self.action_line}"
            if token.text.endswith(" action"):
                started = started.removeprefix(" in action")
        self._fail(f"{token}{started}")

    # Structure

    def _add(self, name: str, block: nodes.Block) -> None:
        known = self.trees.get(name)
        if known is None or nodes.is_empty(known.nodes):
            self.trees[name] = block
        elif not nodes.is_empty(block.nodes):
            self._fail(f"template: multiple definition of template {quote(name)}")

    def _definition(self) -> nodes.Node | None:
        if self._peek().kind != "left":
            return None
        mark = self.next
        self._take()
        token = self._take_word()
        if token.kind != "keyword" or token.text != "define":
            self.next = mark
            return None
        name = self._string(self._expect(("string", "raw"), "define clause"))
        self._expect(("right",), "define clause")
        self._body(name, "define clause")
        return _DEFINED

    def _body(self, name: str, where: str) -> None:
        """The rest of a ``define`` or ``block``: a template of its own, with none of the variables around it."""
        variables, ranges = self.variables, self.ranges
        self.variables, self.ranges = ["$"], 0
        block, end = self._block()
        if end.kind != "end":
            self._fail(f"unexpected {end} in {where}")
        self.variables, self.ranges = variables, ranges
        self._add(name, block)

    def _block(self) -> tuple[nodes.Block, nodes.End]:
        block = nodes.Block(self._peek_word().pos)
        while self._peek_word().kind != "eof":
            node = self._text_or_action()
            if isinstance(node, nodes.End):
                return block, node
            block.nodes.append(node)
        self._take()
        self._fail("unexpected EOF")

    def _text_or_action(self) -> nodes.Node:
        token = self._take_word()
        if token.kind == "text":
            return nodes.Text(token.pos, token.text)
        if token.kind != "left":
            self._unexpected(token, "input")
        self.action_line = token.line
        node = self._action()
        self.action_line = 0
        return node

    def _action(self) -> nodes.Node:
        token = self._peek_word()
        word = token.text if token.kind == "keyword" else ""
        if word in ("if", "range", "with"):
            self._take()
            return self._control(token.pos, word)
        if word == "end":
            self._take()
            return nodes.End(self._expect(("right",), "end").pos, "end")
        if word == "else":
            self._take()
            return self._else()
        if word in ("break", "continue"):
            self._take()
            return self._jump(token, word)
        if word == "template":
            self._take()
            return self._template()
        if word == "block":
            self._take()
            return self._block_action()
        return nodes.Action(token.pos, self._pipeline("command", "right"))

    def _else(self) -> nodes.Node:
        following = self._peek_word()
        if following.kind == "keyword" and following.text in ("if", "with"):
            return nodes.End(following.pos, "else")
        return nodes.End(self._expect(("right",), "else").pos, "else")

    def _jump(self, token: Token, word: str) -> nodes.Node:
        closing = self._take_word()
        if closing.kind != "right":
            self._unexpected(closing, f"{{{{{word}}}}}")
        if not self.ranges:
            self._fail(f"{{{{{word}}}}} outside {{{{range}}}}")
        return nodes.Jump(token.pos, word)

    def _template(self) -> nodes.Node:
        token = self._expect(("string", "raw"), "template clause")
        pipe = None
        if self._peek_word().kind == "right":
            self._take()
        else:
            pipe = self._pipeline("template clause", "right")
        return nodes.Call(token.pos, self._string(token), pipe)

    def _block_action(self) -> nodes.Node:
        token = self._expect(("string", "raw"), "block clause")
        name = self._string(token)
        pipe = self._pipeline("block clause", "right")
        self._body(name, "block clause")
        return nodes.Call(token.pos, name, pipe)

    def _control(self, pos: int, kind: str) -> nodes.Node:
        mark = len(self.variables)
        pipe = self._pipeline(kind, "right")
        self.ranges += kind == "range"
        then, end = self._block()
        self.ranges -= kind == "range"
        otherwise = None
        if end.kind == "else":
            following = self._peek()
            if following.kind == "keyword" and following.text == kind and kind in ("if", "with"):
                # `{{else if}}` is an `{{else}}{{if}}` whose `{{end}}` closes both.
                self._take()
                otherwise = nodes.Block(end.pos)
                otherwise.nodes.append(self._control(following.pos, kind))
            else:
                otherwise, end = self._block()
                if end.kind != "end":
                    self._fail(f"expected end; found {end}")
        del self.variables[mark:]
        return nodes.Branch(pipe.pos, kind, pipe, then, otherwise)

    # Pipelines

    def _pipeline(self, where: str, end: str) -> nodes.Pipe:
        pipe = nodes.Pipe(self._peek_word().pos)
        self._declarations(pipe, where)
        while True:
            token = self._take_word()
            if token.kind == end:
                self._check(pipe, where)
                return pipe
            if token.kind in _OPERANDS or (token.kind == "keyword" and token.text == "nil"):
                self.next -= 1
                pipe.commands.append(self._command())
            else:
                self._unexpected(token, where)

    def _declarations(self, pipe: nodes.Pipe, where: str) -> None:
        while self._peek_word().kind == "variable":
            mark = self.next
            variable = self._take()
            following = self._peek_word()
            if following.kind in ("assign", "declare"):
                self._take()
                pipe.assigns = following.kind == "assign"
                self._declare(pipe, variable.text)
                return
            if following.kind != "char" or following.text != ",":
                self.next = mark
                return
            self._take()
            self._declare(pipe, variable.text)
            if where != "range" or len(pipe.variables) > 1:
                self._fail(f"too many declarations in {where}")
            if self._peek_word().kind not in ("variable", "right", "close"):
                self._fail("range can only initialize variables")

    def _declare(self, pipe: nodes.Pipe, name: str) -> None:
        pipe.variables.append(name)
        self.variables.append(name)

    def _check(self, pipe: nodes.Pipe, where: str) -> None:
        if not pipe.commands:
            self._fail(f"missing value for {where}")
        for stage, command in enumerate(pipe.commands[1:], 2):
            if isinstance(command.args[0], nodes.Dot | nodes.NilWord | nodes.Constant):
                self._fail(f"non executable command in pipeline stage {stage}")

    def _command(self) -> nodes.Command:
        command = nodes.Command(self._peek_word().pos, [])
        while True:
            self._peek_word()
            operand = self._operand()
            if operand is not None:
                command.args.append(operand)
            token = self._take()
            if token.kind == "space":
                continue
            if token.kind in ("right", "close"):
                self.next -= 1
            elif token.kind != "pipe":
                self._unexpected(token, "operand")
            break
        if not command.args:
            self._fail("empty command")
        return command

    def _operand(self) -> nodes.Node | None:
        node = self._term()
        if node is None or self._peek().kind != "field":
            return node
        pos, names = self._peek().pos, []
        while self._peek().kind == "field":
            names.append(self._take().text[1:])
        if isinstance(node, nodes.Field):
            return nodes.Field(pos, node.names + names)
        if isinstance(node, nodes.Variable):
            return nodes.Variable(pos, node.names + names)
        if isinstance(node, nodes.Constant | nodes.NilWord | nodes.Dot):
            self._fail(f"unexpected . after term {quote(str(node))}")
        return nodes.Chain(pos, node, names)

    def _term(self) -> nodes.Node | None:
        token = self._take_word()
        kind, text = token.kind, token.text
        if kind == "field":
            return nodes.Field(token.pos, [text[1:]])
        if kind == "dot":
            return nodes.Dot(token.pos)
        if kind == "variable":
            if text not in self.variables:
                self._fail(f"undefined variable {quote(text)}")
            return nodes.Variable(token.pos, [text])
        if kind == "identifier":
            if text not in self.functions:
                self._fail(f"function {quote(text)} not defined")
            return nodes.Function(token.pos, text)
        if kind in ("bool", "number", "character", "string", "raw"):
            return self._constant(token)
        if kind == "keyword" and text == "nil":
            return nodes.NilWord(token.pos)
        if kind == "open":
            return self._pipeline("parenthesized pipeline", "close")
        if kind == "error":
            self._unexpected(token, "operand")
        self.next -= 1
        return None

    def _constant(self, token: Token) -> nodes.Node:
        value: bool | int | float | str
        if token.kind == "bool":
            value = token.text == "true"
        elif token.kind == "number":
            value = self._number(token.text)
        else:
            value = self._string(token)
            if token.kind == "character":
                value = ord(value)
        return nodes.Constant(token.pos, token.text, value)

    def _string(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            problem = f"malformed character constant: {token.text}" if token.kind == "character" else str(error)
            self._fail(problem)

    def _number(self, text: str) -> int | float:
        value = number(text)
        if value is None:
            self._fail(f"illegal number syntax: {quote(text)}")
        if isinstance(value, int) and not -_MAX_INT <= value < 2 * _MAX_INT:
            self._fail(f"integer overflow: {quote(text)}")
        return value


_DEFINED = nodes.Node(0)


def number(text: str) -> int | float | None:
    """The int or float a Go literal means; None if it is none."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").lower()
    if not digits or digits.endswith("_") or "__" in digits or (digits[0] == "_"):
        return None
    plain = digits.replace("_", "")
    try:
        if plain.isdecimal():
            return sign * int(plain, 8 if _octal(plain) else 10)
        if digits[:2] in ("0x", "0o", "0b") and not set(digits) & {".", "p"}:
            return sign * int(digits, 0)
        return sign * (float.fromhex(plain) if "p" in digits else float(plain))
    except (ValueError, OverflowError):
        return None


def _octal(digits: str) -> bool:
    return len(digits) > 1 and digits[0] == "0" and not set(digits) & {"8", "9"}
