"""Applies a parsed template to a value, by the rules of Go's ``text/template``."""

from __future__ import annotations

from havre.lib.quoting import quote
from havre.lib.templates import nodes
from havre.lib.templates.functions import FUNCTIONS, Function
from havre.lib.templates.parser import parse
from havre.lib.templates.printing import show
from havre.lib.templates.values import (
    Boxed,
    List,
    Method,
    Nil,
    Record,
    TemplateError,
    element,
    truth,
    type_name,
    unbox,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, NoReturn

# No value where None would be one: the argument that a pipe did not pass on.
_ABSENT = object()


class Template:
    """A parsed template. ``name`` shows in error texts; ``functions`` are what it may call."""

    def __init__(self, text: str, name: str = "", functions: Mapping[str, Function] = FUNCTIONS) -> None:
        """Raises TemplateError when ``text`` is malformed."""
        self.text = text
        self.name = name
        self.functions = functions
        self.trees = parse(name, text, functions)

    def execute(
        self, value: object, *, missing_is_error: bool = False, functions: Mapping[str, Function] | None = None
    ) -> str:
        """The output for ``value``.

        A key a map does not have prints ``<no value>``, or is an error with ``missing_is_error``. ``functions``
        replaces those the template was parsed with. Raises TemplateError, whose ``output`` is what was written before.
        """
        run = _Run(self, functions or self.functions, missing_is_error)
        try:
            run.template(self.name, value)
        except TemplateError as error:
            error.output = "".join(run.out)
            raise
        except RecursionError:
            raise TemplateError(f"template: {self.name}: exceeded maximum template depth") from None
        except (MemoryError, OverflowError):
            raise TemplateError(f"template: {self.name}: the output is too large") from None
        return "".join(run.out)


class _Leave(Exception):
    """``{{break}}`` or, with ``again``, ``{{continue}}``."""

    def __init__(self, again: bool) -> None:
        super().__init__()
        self.again = again


class _Run:
    def __init__(self, template: Template, functions: Mapping[str, Function], missing_is_error: bool) -> None:
        self.source = template
        self.functions = functions
        self.missing_is_error = missing_is_error
        self.out: list[str] = []
        self.variables: list[tuple[str, Any]] = []
        self.name = template.name
        self.node: nodes.Node = nodes.Node(0)

    def fail(self, message: str) -> NoReturn:
        before = self.source.text[: self.node.pos]
        line = before.count("\n") + 1
        column = len(before.rpartition("\n")[2].encode("utf-8", "surrogatepass"))
        raise TemplateError(
            f"template: {self.source.name}:{line}:{column}: executing {quote(self.name)} at <{self.node}>: {message}"
        )

    # Statements

    def template(self, name: str, value: object) -> None:
        variables, outer = self.variables, self.name
        self.variables, self.name = [("$", value)], name
        self.block(self.source.trees[name], value)
        self.variables, self.name = variables, outer

    def block(self, block: nodes.Block, dot: object) -> None:
        for node in block.nodes:
            self.node = node
            if isinstance(node, nodes.Text):
                self.out.append(node.text)
            elif isinstance(node, nodes.Action):
                value = self.pipe(node.pipe, dot)
                if not node.pipe.variables:
                    self.out.append("<no value>" if value is None else show(value))
            elif isinstance(node, nodes.Branch):
                self.branch(node, dot)
            elif isinstance(node, nodes.Jump):
                raise _Leave(node.kind == "continue")
            elif isinstance(node, nodes.Call):
                self.call_template(node, dot)

    def call_template(self, node: nodes.Call, dot: object) -> None:
        if node.name not in self.source.trees:
            self.fail(f"template {quote(node.name)} not defined")
        self.template(node.name, self.pipe(node.pipe, dot) if node.pipe else None)

    def branch(self, node: nodes.Branch, dot: object) -> None:
        mark = len(self.variables)
        if node.kind == "range":
            if not self.range(node, dot) and node.otherwise:
                self.block(node.otherwise, dot)
        else:
            value = self.pipe(node.pipe, dot)
            if truth(value):
                self.block(node.then, value if node.kind == "with" else dot)
            elif node.otherwise:
                self.block(node.otherwise, dot)
        del self.variables[mark:]

    def range(self, node: nodes.Branch, dot: object) -> bool:
        """Go round the elements; False when there were none."""
        outer = len(self.variables)
        value = self.pipe(node.pipe, dot)
        names = node.pipe.variables
        if not node.pipe.assigns:
            del self.variables[outer:]
        some = False
        for key, item in self.elements(value):
            some = True
            mark = len(self.variables)
            if names:
                self.bind(names[-1], item, node.pipe.assigns)
            if len(names) > 1:
                self.bind(names[0], key, node.pipe.assigns)
            try:
                self.block(node.then, item)
            except _Leave as leave:
                if not leave.again:
                    break
            finally:
                del self.variables[mark:]
        return some

    def elements(self, value: object) -> Iterator[tuple[object, object]]:
        if isinstance(value, list):
            return ((i, element(value, item)) for i, item in enumerate(value))
        if isinstance(value, dict):
            return ((key, element(value, value[key])) for key in sorted(value))
        if value is None or isinstance(value, Nil):
            return iter(())
        if isinstance(value, int) and not isinstance(value, bool):
            return ((i, i) for i in range(value))
        self.fail(f"range can't iterate over {show(value)}")

    # Variables

    def bind(self, name: str, value: object, assigns: bool) -> None:
        if not assigns:
            self.variables.append((name, value))
            return
        for place in range(len(self.variables) - 1, -1, -1):
            if self.variables[place][0] == name:
                self.variables[place] = (name, value)
                return
        self.fail(f"undefined variable: {name}")

    def variable(self, name: str) -> object:
        for known, value in reversed(self.variables):
            if known == name:
                return value
        self.fail(f"undefined variable: {name}")

    # Expressions

    def pipe(self, pipe: nodes.Pipe, dot: object) -> object:
        self.node = pipe
        value: object = _ABSENT
        for command in pipe.commands:
            value = unbox(self.command(command, dot, value))
        for name in pipe.variables:
            self.bind(name, value, pipe.assigns)
        return value

    def command(self, command: nodes.Command, dot: object, final: object) -> object:
        first = command.args[0]
        if isinstance(first, nodes.Function):
            return self.function(first, command, command.args[1:], dot, final)
        if isinstance(first, nodes.Field | nodes.Chain | nodes.Variable):
            return self.fields(first, command.args, dot, final)
        if isinstance(first, nodes.Pipe):
            self.no_arguments(command.args, final)
            return self.pipe(first, dot)
        self.node = first
        self.no_arguments(command.args, final)
        if isinstance(first, nodes.NilWord):
            self.fail("nil is not a command")
        return self.plain(first, dot)

    def no_arguments(self, args: list[nodes.Node], final: object) -> None:
        if len(args) > 1 or final is not _ABSENT:
            self.fail(f"can't give argument to non-function {args[0]}")

    def plain(self, node: nodes.Node, dot: object) -> object:
        """A constant or the dot."""
        if not isinstance(node, nodes.Constant):
            return dot
        if isinstance(node.value, int) and node.value >= 2**63:
            self.fail(f"{node.text} overflows int")
        return node.value

    def fields(
        self, node: nodes.Field | nodes.Chain | nodes.Variable, args: list[nodes.Node], dot: object, final: object
    ) -> object:
        """``.A.B``, ``$x.A.B`` or ``(…).A.B``; the last name may be a method with arguments (``args[1:]``)."""
        self.node = node
        names = node.names
        if isinstance(node, nodes.Field):
            receiver = dot
        elif isinstance(node, nodes.Chain):
            if isinstance(node.node, nodes.NilWord):
                self.fail(f"indirection through explicit nil in {node}")
            receiver = self.argument(node.node, "any", dot)
        else:
            receiver, names = self.variable(names[0]), names[1:]
            if not names:
                self.no_arguments(args or [node], final)
                return receiver
        for name in names[:-1]:
            receiver = self.field(receiver, name, node, [], dot, _ABSENT)
        return self.field(receiver, names[-1], node, args[1:], dot, final)

    def field(
        self, receiver: object, name: str, node: nodes.Node, args: list[nodes.Node], dot: object, final: object
    ) -> object:
        self.node = node
        value = unbox(receiver)
        if value is None:
            if isinstance(receiver, Boxed):
                self.fail(f"nil pointer evaluating {type_name(receiver)}.{name}")
            if self.missing_is_error:
                self.fail(f"nil data; no entry for key {quote(name)}")
            return None
        has_arguments = bool(args) or final is not _ABSENT
        if isinstance(value, Record):
            return self.record_field(value, name, node, args, dot, final)
        if isinstance(value, dict):
            if has_arguments:
                self.fail(f"{name} is not a method but has arguments")
            if name not in value and self.missing_is_error:
                self.fail(f"map has no entry for key {quote(name)}")
            return element(value, value[name]) if name in value else None
        if isinstance(value, Nil) and name in value.fields:
            self.fail(f"nil pointer evaluating {value.type_name}.{name}")
        self.fail(f"can't evaluate field {name} in type {type_name(receiver)}")

    def record_field(
        self, value: Record, name: str, node: nodes.Node, args: list[nodes.Node], dot: object, final: object
    ) -> object:
        try:
            found = value.get(name)
        except KeyError:
            self.fail(f"can't evaluate field {name} in type {value.type_name}")
        if isinstance(found, Method):
            return self.invoke(name, Function(found.call, found.parameters), node, args, dot, final)
        given = len(args) + (final is not _ABSENT)
        if given and value.computed:
            self.fail(f"wrong number of args for {name}: want 0 got {given}")
        if given:
            self.fail(f"{name} has arguments but cannot be invoked as function")
        return found

    # Calls

    def function(
        self, node: nodes.Function, at: nodes.Node, args: list[nodes.Node], dot: object, final: object
    ) -> object:
        self.node = node
        function = self.functions[node.name]
        if node.name in ("and", "or"):
            return self.lazily(node.name == "or", node.name, args, dot, final)
        return self.invoke(node.name, function, at, args, dot, final)

    def lazily(self, wanted: bool, name: str, args: list[nodes.Node], dot: object, final: object) -> object:
        """``and`` and ``or`` evaluate no argument after the one that decides."""
        if not args and final is _ABSENT:
            self.fail(f"wrong number of args for {name}: want at least 1 got 0")
        value: object = None
        for arg in args:
            value = self.argument(arg, "any", dot)
            if truth(value) is wanted:
                return value
        return value if final is _ABSENT else final

    def invoke(
        self, name: str, function: Function, at: nodes.Node, args: list[nodes.Node], dot: object, final: object
    ) -> object:
        fixed, given = len(function.parameters), len(args) + (final is not _ABSENT)
        if function.rest and given < fixed:
            self.fail(f"wrong number of args for {name}: want at least {fixed} got {len(args)}")
        if not function.rest and given != fixed:
            self.fail(f"wrong number of args for {name}: want {fixed} got {given}")
        types = [*function.parameters, *[function.rest] * (given - fixed)]
        values = [self.argument(arg, kind, dot) for arg, kind in zip(args, types, strict=False)]
        if final is not _ABSENT:
            values.append(self.fitting(final, types[-1]))
        try:
            return function.call(*values)
        except TemplateError:
            raise
        except ValueError as error:
            self.node = at
            self.fail(f"error calling {name}: {error}")

    def argument(self, node: nodes.Node, kind: str, dot: object) -> object:
        """The value of an argument for a parameter of type ``kind``."""
        self.node = node
        if isinstance(node, nodes.Constant):
            return self.constant(node, kind)
        if isinstance(node, nodes.NilWord):
            if kind not in ("any", "list"):
                self.fail(f"cannot assign nil to {_GO_TYPES[kind]}")
            return List(_GO_TYPES[kind], ()) if kind == "list" else None
        if isinstance(node, nodes.Pipe):
            value = self.pipe(node, dot)
        elif isinstance(node, nodes.Function):
            value = self.function(node, node, [], dot, _ABSENT)
        elif isinstance(node, nodes.Field | nodes.Chain | nodes.Variable):
            value = self.fields(node, [], dot, _ABSENT)
        else:
            value = dot
        return self.fitting(value, kind)

    def constant(self, node: nodes.Constant, kind: str) -> object:
        wanted = {"string": str, "int": int}.get(kind)
        if wanted is None:
            if kind == "list":
                self.fail(f"can't handle {node} for arg of type {_GO_TYPES[kind]}")
            return self.plain(node, None)
        if not isinstance(node.value, wanted) or isinstance(node.value, bool):
            self.fail(f"expected {'integer' if kind == 'int' else kind}; found {node}")
        return node.value

    def fitting(self, value: object, kind: str) -> object:
        inner = unbox(value)
        if kind == "any":
            return inner
        if value is None:
            if kind == "list":
                return List(_GO_TYPES[kind], ())
            self.fail(f"invalid value; expected {_GO_TYPES[kind]}")
        wanted: type = {"string": str, "int": int, "list": list}[kind]
        if not isinstance(inner, wanted) or isinstance(inner, bool):
            shown = type_name(value if inner is None else inner)
            self.fail(f"wrong type for value; expected {_GO_TYPES[kind]}; got {shown}")
        return inner


_GO_TYPES = {"string": "string", "int": "int", "list": "[]string", "any": "interface {}"}
