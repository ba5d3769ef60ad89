"""JSON request bodies, read as Go's encoding/json reads them, because that is what Docker's clients were written
against.

Keys match whatever their case, unknown keys are skipped, and ``null`` leaves a field at its default. The rest of the
validation is msgspec's; its errors are put in words close to Docker's. ``fit`` prepares a document for one struct type
from a plan made once per type.
"""

import re
import types
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import msgspec

from havre.errors import InvalidParameter

T = TypeVar("T")
Fitter = Callable[[Any], Any]

_ZERO: dict[Any, Any] = {str: "", int: 0, float: 0.0, bool: False, dict: {}, list: []}
_MISMATCH = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`(?: - at `\$\.?(?P<path>[^`]*)`)?")
_JSON_NAMES = {
    "str": "string",
    "int": "number",
    "float": "number",
    "bool": "bool",
    "object": "object",
    "array": "array",
}


def parse(body: bytes) -> Any:
    """The document in ``body``. ``InvalidParameter`` when it is no JSON, empty, or has something behind it."""
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        raise InvalidParameter("invalid JSON: exceeded max depth") from None
    except msgspec.DecodeError as error:
        text = str(error)
        if not body.strip() or "truncated" in text:
            raise InvalidParameter("invalid JSON: got EOF while reading request body") from None
        if "trailing" in text:
            raise InvalidParameter("unexpected content after JSON") from None
        raise InvalidParameter(f"invalid JSON: {text}") from None


def fit(document: Any, type: type[T], within: str = "") -> T:
    """``document`` as a ``type`` (a msgspec struct). ``InvalidParameter`` naming the field whose type is wrong.

    ``within`` is the field of the body that ``document`` stands in.
    """
    fitter = _fitter(cast(Hashable, type))
    try:
        return msgspec.convert(fitter(document) if fitter else document, type)
    except msgspec.ValidationError as error:
        raise InvalidParameter(_explain(str(error), within)) from None


@cache
def _fitter(annotation: Any) -> Fitter | None:
    """The function that makes a value fit ``annotation``, or None when values pass as they are."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _either([member for member in get_args(annotation) if member is not types.NoneType])
    if origin is list:
        return _list_fitter(*get_args(annotation))
    if origin is dict:
        return _dict_fitter(get_args(annotation)[1])
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _struct_fitter(annotation)
    return _fit_integer if annotation is int else None


def _fit_integer(value: Any) -> Any:
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise InvalidParameter(f"invalid JSON: cannot unmarshal number {value} into a field of type int64")
    return value


def _either(members: list[Any]) -> Fitter | None:
    fitters = {_shape(member): _fitter(member) for member in members}
    if not any(fitters.values()):
        return None

    def fit_member(value: Any) -> Any:
        fitter = fitters.get(type(value))
        return fitter(value) if fitter else value

    return fit_member


def _shape(annotation: Any) -> type:
    """The Python type that JSON of this annotation parses to."""
    plain = get_origin(annotation) or annotation
    return dict if isinstance(plain, type) and issubclass(plain, msgspec.Struct) else plain


def _list_fitter(element: Any) -> Fitter:
    fitter, zero = _fitter(element), _zero(element)

    def fit_list(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [zero if item is None else fitter(item) if fitter else item for item in value]

    return fit_list


def _dict_fitter(element: Any) -> Fitter:
    fitter, zero = _fitter(element), _zero(element)

    def fit_dict(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: zero if item is None else fitter(item) if fitter else item for key, item in value.items()}

    return fit_dict


def _struct_fitter(struct: type[msgspec.Struct]) -> Fitter:
    fields = {field.encode_name: _fitter(field.type) for field in msgspec.structs.fields(struct)}
    names = {name.lower(): name for name in fields}

    def fit_struct(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        fitted = {}
        for key, item in value.items():
            name = key if key in fields else names.get(key.lower())
            if name is None or item is None:
                continue
            fitter = fields[name]
            fitted[name] = fitter(item) if fitter else item
        return fitted

    return fit_struct


def _zero(annotation: Any) -> Any:
    """What Go puts where ``null`` stands in a list or map of this type."""
    if types.NoneType in get_args(annotation):
        return None
    return _ZERO.get(_shape(annotation))


def _explain(text: str, within: str) -> str:
    match = _MISMATCH.match(text)
    if match is None:
        return f"invalid JSON: {text}"
    got = _JSON_NAMES.get(match["got"], match["got"])
    path = ".".join(part for part in (within, match["path"]) if part)
    where = f"field {path}" if path else "the request body"
    return f"invalid JSON: cannot unmarshal {got} into {where} of type {match['wanted']}"
