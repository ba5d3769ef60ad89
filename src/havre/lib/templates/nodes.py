"""The parsed form of a template. ``str(node)`` is the node as Go shows it in error texts; ``pos`` is in characters."""

from __future__ import annotations

from havre.lib.quoting import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Node:
    __slots__ = ("pos",)

    def __init__(self, pos: int) -> None:
        self.pos = pos


class Text(Node):
    """What stands between actions, copied as it is."""

    __slots__ = ("text",)

    def __init__(self, pos: int, text: str) -> None:
        super().__init__(pos)
        self.text = text


class Block(Node):
    """A list of nodes, one after the other."""

    __slots__ = ("nodes",)

    def __init__(self, pos: int) -> None:
        super().__init__(pos)
        self.nodes: list[Node] = []


class Dot(Node):
    __slots__ = ()

    def __str__(self) -> str:
        return "."


class NilWord(Node):
    __slots__ = ()

    def __str__(self) -> str:
        return "nil"


class Constant(Node):
    """A bool, number or string as written in the template."""

    __slots__ = ("text", "value")

    def __init__(self, pos: int, text: str, value: bool | int | float | str) -> None:
        super().__init__(pos)
        self.text = text
        self.value = value

    def __str__(self) -> str:
        return self.text


class Field(Node):
    """``.A.B``"""

    __slots__ = ("names",)

    def __init__(self, pos: int, names: list[str]) -> None:
        super().__init__(pos)
        self.names = names

    def __str__(self) -> str:
        return "." + ".".join(self.names)


class Variable(Node):
    """``$x.A.B``; ``names`` begins with the variable's own, dollar included."""

    __slots__ = ("names",)

    def __init__(self, pos: int, names: list[str]) -> None:
        super().__init__(pos)
        self.names = names

    def __str__(self) -> str:
        return ".".join(self.names)


class Function(Node):
    """A function's name."""

    __slots__ = ("name",)

    def __init__(self, pos: int, name: str) -> None:
        super().__init__(pos)
        self.name = name

    def __str__(self) -> str:
        return self.name


class Chain(Node):
    """Fields of anything else: ``(pipeline).A.B``"""

    __slots__ = ("names", "node")

    def __init__(self, pos: int, node: Node, names: list[str]) -> None:
        super().__init__(pos)
        self.node = node
        self.names = names

    def __str__(self) -> str:
        head = f"({self.node})" if isinstance(self.node, Pipe) else str(self.node)
        return head + "".join(f".{name}" for name in self.names)


class Command(Node):
    """A word and its arguments."""

    __slots__ = ("args",)

    def __init__(self, pos: int, args: list[Node]) -> None:
        super().__init__(pos)
        self.args = args

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


class Pipe(Node):
    """Commands joined by ``|``, perhaps declaring or (``assigns``) setting variables."""

    __slots__ = ("assigns", "commands", "variables")

    def __init__(self, pos: int) -> None:
        super().__init__(pos)
        self.variables: list[str] = []
        self.assigns = False
        self.commands: list[Command] = []

    def __str__(self) -> str:
        head = f"{', '.join(self.variables)} {'=' if self.assigns else ':='} " if self.variables else ""
        return head + " | ".join(map(str, self.commands))


class Action(Node):
    """``{{pipeline}}``: its value is printed unless it sets variables."""

    __slots__ = ("pipe",)

    def __init__(self, pos: int, pipe: Pipe) -> None:
        super().__init__(pos)
        self.pipe = pipe

    def __str__(self) -> str:
        return f"{{{{{self.pipe}}}}}"


class Branch(Node):
    """``if``, ``with`` or ``range`` (``kind``) with its two arms."""

    __slots__ = ("kind", "otherwise", "pipe", "then")

    def __init__(self, pos: int, kind: str, pipe: Pipe, then: Block, otherwise: Block | None) -> None:
        super().__init__(pos)
        self.kind = kind
        self.pipe = pipe
        self.then = then
        self.otherwise = otherwise


class Jump(Node):
    """``{{break}}`` or ``{{continue}}``."""

    __slots__ = ("kind",)

    def __init__(self, pos: int, kind: str) -> None:
        super().__init__(pos)
        self.kind = kind


class Call(Node):
    """``{{template "name" pipeline}}``"""

    __slots__ = ("name", "pipe")

    def __init__(self, pos: int, name: str, pipe: Pipe | None) -> None:
        super().__init__(pos)
        self.name = name
        self.pipe = pipe

    def __str__(self) -> str:
        return f"{{{{template {quote(self.name)}{f' {self.pipe}' if self.pipe else ''}}}}}"


class End(Node):
    """``{{end}}`` or ``{{else}}``: what closes a block. Seen by the parser only."""

    __slots__ = ("kind",)

    def __init__(self, pos: int, kind: str) -> None:
        super().__init__(pos)
        self.kind = kind

    def __str__(self) -> str:
        return f"{{{{{self.kind}}}}}"


def is_empty(nodes: Sequence[Node]) -> bool:
    """Whether a template consists of nothing but white space."""
    return all(isinstance(node, Text) and not node.text.strip() for node in nodes)
