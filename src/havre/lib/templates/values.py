"""The values templates work on, and what Go would say of their types.

A dict stands for ``map[string]interface {}`` and a list for ``[]interface {}``; None for a nil that has no type, which
prints as ``<no value>``. Where Docker has a typed value, ``Map`` and ``List`` carry the type's name and the zero value
of their elements, ``Nil`` stands for a nil pointer, and a ``Record`` for a struct.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class TemplateError(ValueError):
    """The template is malformed or does not fit the value. The text is Go's; ``output`` is what was written before."""

    output = ""


class Record:
    """A struct: named fields and methods. Subclasses say which."""

    type_name = "struct {}"
    #: Whether the fields are methods of the type, computed when asked for, as in the rows of Docker's lists.
    computed = False

    def get(self, name: str) -> object:
        """The field ``name``, or a callable for a method that takes arguments (its ``parameters`` as in ``functions``).

        Raises KeyError when there is no such field.
        """
        raise KeyError(name)

    def items(self) -> Iterable[tuple[str, object]]:
        """The fields in Go's order, for printing."""
        return ()

    def text(self) -> str | None:
        """What prints instead of the fields, for a type that knows how (Go's ``String``)."""
        return None

    def to_json(self) -> object:
        """What ``json`` shows: the members in order, or a plain JSON value."""
        return dict(self.items())


class Number(int):
    """A value of an integer type that prints itself in words, as Go's ``time.Duration`` does (``shown``)."""

    type_name: str
    shown: str

    def __new__(cls, value: int, type_name: str, shown: str) -> Number:
        made = super().__new__(cls, value)
        made.type_name = type_name
        made.shown = shown
        return made


class Map(dict[str, "Any"]):
    """A typed map; ``zero`` is what a missing key gives ``index``, ``source`` what JSON had (None for a nil map)."""

    __slots__ = ("source", "type_name", "zero")

    def __init__(self, type_name: str, items: dict[str, Any], zero: object = None, *, source: object = None) -> None:
        super().__init__(items)
        self.type_name = type_name
        self.zero = zero
        self.source = source


class List(list["Any"]):
    """A typed slice; ``source`` is None for a nil slice."""

    __slots__ = ("source", "type_name")

    def __init__(self, type_name: str, items: Iterable[Any], *, source: object = None) -> None:
        super().__init__(items)
        self.type_name = type_name
        self.source = source


class Nil:
    """A nil pointer of a known type; ``fields`` are the names that type has."""

    __slots__ = ("fields", "type_name")

    def __init__(self, type_name: str, fields: frozenset[str] = frozenset()) -> None:
        self.type_name = type_name
        self.fields = fields


class Boxed:
    """An element taken out of an untyped map or slice. To Go it is an ``interface {}``, and its errors say so."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class Method:
    """A callable with parameter types, as ``functions.Function``, that a Record gives for a name."""

    __slots__ = ("call", "parameters")

    def __init__(self, call: Callable[..., object], parameters: tuple[str, ...]) -> None:
        self.call = call
        self.parameters = parameters


def unbox(value: object) -> object:
    return value.value if isinstance(value, Boxed) else value


def element(container: object, value: object) -> object:
    """``value`` as it comes out of ``container``: boxed unless the container has a type of its own."""
    return value if isinstance(container, Map | List) else Boxed(value)


def type_name(value: object) -> str:
    """Go's name for the value's type."""
    if isinstance(value, Boxed):
        return "interface {}"
    if isinstance(value, Map | List | Nil | Record | Number):
        return value.type_name
    for kind, name in _NAMES:
        if isinstance(value, kind):
            return name
    return "<nil>" if value is None else type(value).__name__


# bool stands before int, of which it is a subclass.
_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float64"),
    (str, "string"),
    (list, "[]interface {}"),
    (dict, "map[string]interface {}"),
)


def truth(value: object) -> bool:
    """What ``if`` makes of a value: false for nothing, zero and what is empty."""
    value = unbox(value)
    if isinstance(value, Record):
        return True
    return False if isinstance(value, Nil) else bool(value)
