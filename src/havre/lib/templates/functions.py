"""The functions templates may call: Go's own and those Docker adds.

A function fails by raising ValueError; the evaluator adds whose call it was.
"""

from __future__ import annotations

from havre.lib.templates.formatting import sprintf
from havre.lib.templates.printing import show, sprint, sprintln, to_json
from havre.lib.templates.values import List, Map, Nil, element, truth, type_name, unbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


class Function:
    """``parameters`` are the types of the fixed arguments, ``rest`` that of any further ones ("" for none): ``any``,
    ``string``, ``int`` or ``list``.
    """

    __slots__ = ("call", "parameters", "rest")

    def __init__(self, call: Callable[..., object], parameters: tuple[str, ...], rest: str = "") -> None:
        self.call = call
        self.parameters = parameters
        self.rest = rest


def _join(items: list[Any], separator: str) -> str:
    return separator.join(item if isinstance(item, str) else show(item) for item in map(unbox, items))


def _split(text: str, separator: str) -> List:
    parts = text.split(separator) if separator else list(text)
    return List("[]string", parts, source=parts)


def _title(text: str) -> str:
    # str.title would also lower the other letters.
    out, previous = [], " "
    for char in text:
        out.append(char.title() if not (previous.isalnum() or previous == "_") else char)
        previous = char
    return "".join(out)


def _pad(text: str, before: int, after: int) -> str:
    if text and min(before, after) < 0:
        raise ValueError("strings: negative Repeat count")
    return f"{' ' * before}{text}{' ' * after}" if text else text


def _truncate(text: str, length: int) -> str:
    # Docker counts bytes, and cuts characters in two; here a cut character is left out.
    data = text.encode("utf-8", "surrogatepass")
    if len(data) < length:
        return text
    if length < 0:
        raise ValueError(f"runtime error: slice bounds out of range [:{length}]")
    return data[:length].decode("utf-8", "ignore")


def _length(value: object) -> int:
    if value is None or isinstance(value, Nil):
        raise ValueError("len of nil pointer")
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, list | dict):
        return len(value)
    raise ValueError(f"len of type {type_name(value)}")


def _position(index: object, size: int) -> int:
    if index is None:
        raise ValueError("cannot index slice/array with nil")
    if not isinstance(index, int) or isinstance(index, bool):
        raise ValueError(f"cannot index slice/array with type {type_name(index)}")
    if not 0 <= index <= size:
        raise ValueError(f"index out of range: {index}")
    return index


def _index(value: object, *indexes: object) -> object:
    if value is None:
        raise ValueError("index of untyped nil")
    for index in map(unbox, indexes):
        value = unbox(value)
        if value is None or isinstance(value, Nil):
            raise ValueError("index of nil pointer")
        if isinstance(value, list | str):
            items: Any = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            place = _position(index, len(items))
            if place == len(items):
                kind = "string" if isinstance(value, str) else "slice"
                raise ValueError(f"reflect: {kind} index out of range")
            value = items[place] if isinstance(value, str) else element(value, items[place])
        elif isinstance(value, dict):
            value = _lookup(value, index)
        else:
            raise ValueError(f"can't index item of type {type_name(value)}")
    return value


def _lookup(value: dict[str, Any], key: object) -> object:
    if key is None:
        raise ValueError("value is nil; should be of type string")
    if not isinstance(key, str):
        raise ValueError(f"value has type {type_name(key)}; should be string")
    if key in value:
        return element(value, value[key])
    return value.zero if isinstance(value, Map) else None


def _slice(value: object, *indexes: object) -> object:
    if value is None:
        raise ValueError("slice of untyped nil")
    if len(indexes) > 3:
        raise ValueError(f"too many slice indexes: {len(indexes)}")
    if not isinstance(value, list | str):
        raise ValueError(f"can't slice item of type {type_name(value)}")
    if isinstance(value, str) and len(indexes) == 3:
        raise ValueError("cannot 3-index slice a string")
    data: Any = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    places = [_position(unbox(index), len(data)) for index in indexes]
    bounds = [*places, *(0, len(data))[len(places) :]]
    if bounds != sorted(bounds):
        low, high = bounds[:2] if bounds[0] > bounds[1] else bounds[1:]
        raise ValueError(f"invalid slice index: {low} > {high}")
    part = data[bounds[0] : bounds[1]]
    if isinstance(value, str):
        return part.decode("utf-8", "replace")
    return List(value.type_name, part, source=part) if isinstance(value, List) else part


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    for kind, name in ((int, "int"), (float, "float"), (str, "string")):
        if isinstance(value, kind):
            return name
    return ""


def _nothing(value: object) -> bool:
    return value is None or isinstance(value, Nil)


def _same(first: object, second: object) -> bool:
    kinds = _kind(first), _kind(second)
    if kinds[0] != kinds[1] and first is not None and second is not None:
        raise ValueError("incompatible types for comparison")
    if kinds[0] and kinds[0] == kinds[1]:
        return first == second
    if _nothing(first) or _nothing(second):
        return _nothing(first) and _nothing(second)
    if isinstance(first, list | dict) or isinstance(second, list | dict):
        raise ValueError(f"non-comparable type {sprintf('%s', [first])}: {type_name(first)}")
    return first is second


def _eq(first: object, *others: object) -> bool:
    if not others:
        raise ValueError("missing argument for comparison")
    return any(_same(first, unbox(other)) for other in others)


def _lt(first: Any, second: Any) -> bool:
    kinds = _kind(first), _kind(second)
    if not all(kinds):
        raise ValueError("invalid type for comparison")
    if kinds[0] != kinds[1]:
        raise ValueError("incompatible types for comparison")
    if kinds[0] == "bool":
        raise ValueError("invalid type for comparison")
    return bool(first < second)


def _le(first: Any, second: Any) -> bool:
    return _lt(first, second) or _same(first, second)


_HTML = str.maketrans({"&": "&amp;", "'": "&#39;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "\0": "\ufffd"})


def _escape_html(*values: object) -> str:
    return _as_text(values).translate(_HTML)


_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}


def _escape_js(*values: object) -> str:
    return "".join(
        _JS.get(char) or (char if char.isprintable() else f"\\u{ord(char):04X}") for char in _as_text(values)
    )


def _escape_query(*values: object) -> str:
    from urllib.parse import quote_plus

    return quote_plus(_as_text(values).encode("utf-8", "surrogatepass"), safe="~")


def _as_text(values: tuple[object, ...]) -> str:
    return sprint(["<no value>" if value is None else value for value in values])


def _call(function: object, *_: object) -> object:
    if function is None:
        raise ValueError("call of nil")
    raise ValueError(f"non-function of type {type_name(function)}")


def _choose(wanted: bool) -> Callable[..., object]:
    """``or`` (True) and ``and`` (False). The evaluator calls them lazily; here all arguments are known."""

    def choose(*values: object) -> object:
        return next((value for value in values if truth(value) is wanted), values[-1])

    return choose


FUNCTIONS: Mapping[str, Function] = {
    "and": Function(_choose(False), ("any",), "any"),
    "or": Function(_choose(True), ("any",), "any"),
    "not": Function(lambda value: not truth(value), ("any",)),
    "eq": Function(_eq, ("any",), "any"),
    "ne": Function(lambda a, b: not _same(a, b), ("any", "any")),
    "lt": Function(_lt, ("any", "any")),
    "le": Function(_le, ("any", "any")),
    "gt": Function(lambda a, b: not _le(a, b), ("any", "any")),
    "ge": Function(lambda a, b: not _lt(a, b), ("any", "any")),
    "len": Function(_length, ("any",)),
    "index": Function(_index, ("any",), "any"),
    "slice": Function(_slice, ("any",), "any"),
    "call": Function(_call, ("any",), "any"),
    "print": Function(lambda *values: sprint(list(values)), (), "any"),
    "printf": Function(lambda pattern, *values: sprintf(pattern, list(values)), ("string",), "any"),
    "println": Function(lambda *values: sprintln(list(values)), (), "any"),
    "html": Function(_escape_html, (), "any"),
    "js": Function(_escape_js, (), "any"),
    "urlquery": Function(_escape_query, (), "any"),
    "json": Function(to_json, ("any",)),
    "split": Function(_split, ("string", "string")),
    "join": Function(_join, ("list", "string")),
    "title": Function(_title, ("string",)),
    "lower": Function(lambda text: text.lower(), ("string",)),
    "upper": Function(lambda text: text.upper(), ("string",)),
    "pad": Function(_pad, ("string", "int", "int")),
    "truncate": Function(_truncate, ("string", "int")),
}


def _unchanged(*parameters: str) -> Function:
    return Function(lambda text, *_: text, parameters)


# For a table's head: the functions leave the titles as they are, but for `pad`, which keeps them aligned.
HEADER_FUNCTIONS: Mapping[str, Function] = {
    **FUNCTIONS,
    **{name: _unchanged("string") for name in ("json", "title", "lower", "upper")},
    "split": _unchanged("string", "string"),
    "join": _unchanged("string", "string"),
    "truncate": _unchanged("string", "int"),
}
