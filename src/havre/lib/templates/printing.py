"""Values as text, the way Go's fmt and encoding/json write them."""

from __future__ import annotations

from havre.lib.templates.values import List, Map, Nil, Number, Record, type_name, unbox


def sprint(values: list[object]) -> str:
    """``fmt.Sprint``: a space between two operands when neither is a string."""
    parts: list[str] = []
    previous: object = ""
    for value in map(unbox, values):
        if parts and not isinstance(value, str) and not isinstance(previous, str):
            parts.append(" ")
        parts.append(show(value))
        previous = value
    return "".join(parts)


def sprintln(values: list[object]) -> str:
    """``fmt.Sprintln``: always a space between, and a line end."""
    return " ".join(show(unbox(value)) for value in values) + "\n"


def show(value: object, *, plus: bool = False, quoted: bool = False) -> str:
    """``%v`` (``%+v`` with ``plus``: a struct's field names too; ``quoted``: strings inside as ``%q``)."""
    value = unbox(value)
    if value is None or isinstance(value, Nil):
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quote(value) if quoted else value
    if isinstance(value, float):
        return show_float(value)
    if isinstance(value, Number):
        return value.shown
    if isinstance(value, list):
        return f"[{' '.join(show(item, plus=plus, quoted=quoted) for item in value)}]"
    if isinstance(value, dict):
        pairs = (f"{_key(key, quoted)}:{show(value[key], plus=plus, quoted=quoted)}" for key in sorted(value))
        return f"map[{' '.join(pairs)}]"
    if isinstance(value, Record):
        if (text := value.text()) is not None:
            return text
        shown = ((name, show(item, plus=plus, quoted=quoted)) for name, item in value.items())
        return f"{{{' '.join(f'{name}:{text}' if plus else text for name, text in shown)}}}"
    return str(value)


def show_float(value: float, precision: int = -1) -> str:
    """``%g``: ``precision`` significant digits, or the fewest that read back (-1); an exponent where it is large."""
    if (special := special_float(value)) is not None:
        return special
    digits, exponent = _digits(value, precision)
    limit = 6 if precision < 0 else max(precision, 1)
    if limit > len(digits) > exponent and precision >= 0:
        limit = len(digits)
    sign = "-" if str(value).startswith("-") else ""
    return sign + (_scientific(digits, exponent) if exponent < -4 or exponent >= limit else _plain(digits, exponent))


def special_float(value: float) -> str | None:
    """The name of what is no number."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return None


def _scientific(digits: str, exponent: int) -> str:
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    whole, rest = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{whole}.{rest}" if rest else whole


def _digits(value: float, precision: int) -> tuple[str, int]:
    """Significant decimal digits without trailing zeros, and the exponent of the first."""
    text = f"{abs(value):.{max(precision, 1) - 1}e}" if precision >= 0 else _shortest(abs(value))
    mantissa, _, exponent = text.partition("e")
    return mantissa.replace(".", "").rstrip("0") or "0", int(exponent)


def _shortest(value: float) -> str:
    for precision in range(17):
        text = f"{value:.{precision}e}"
        if float(text) == value:
            return text
    return f"{value:.17e}"


def to_json(value: object) -> str:
    """``json``: compact, map keys sorted, a struct's fields in their order; no HTML escapes."""
    value = unbox(value)
    if value is None or isinstance(value, Nil):
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _json_string(value)
    if isinstance(value, float):
        return _json_float(value)
    if isinstance(value, list):
        if isinstance(value, List) and value.source is None:
            return "null"
        return f"[{','.join(map(to_json, value))}]"
    if isinstance(value, dict):
        if isinstance(value, Map) and value.source is None:
            return "null"
        return f"{{{','.join(f'{_json_string(key)}:{to_json(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, Record):
        return _record_json(value)
    return str(value)


def _record_json(value: Record) -> str:
    inner = value.to_json()
    if not isinstance(inner, dict) or isinstance(inner, Map):
        return to_json(inner)
    text = f"{{{','.join(f'{_json_string(key)}:{to_json(item)}' for key, item in inner.items())}}}"
    # Where a type writes its own JSON, Go's escaping of HTML comes in again.
    return text.translate(_HTML_IN_JSON) if value.computed else text


_HTML_IN_JSON = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def _json_string(text: str) -> str:
    from json.encoder import encode_basestring

    # Half a surrogate pair is no character: Go writes the replacement character.
    clean = text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return encode_basestring(clean).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _json_float(value: float) -> str:
    digits, exponent = _digits(value, -1)
    sign = "-" if str(value).startswith("-") else ""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return sign + _plain(digits, exponent)
    # encoding/json writes e-9 where strconv writes e-09.
    return sign + _scientific(digits, exponent).replace("e-0", "e-")


def _key(key: object, quoted: bool) -> str:
    return _quote(key) if quoted and isinstance(key, str) else str(key)


def _quote(text: str) -> str:
    from havre.lib.quoting import quote

    return quote(text)


def go_syntax(value: object) -> str:
    """``%#v``: the value as a Go program would write it."""
    value = unbox(value)
    if value is None:
        return "<nil>"
    if isinstance(value, Nil):
        return f"({value.type_name})(nil)"
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, list):
        return f"{type_name(value)}{{{', '.join(map(go_syntax, value))}}}"
    if isinstance(value, dict):
        pairs = ", ".join(f"{_quote(str(key))}:{go_syntax(value[key])}" for key in sorted(value))
        return f"{type_name(value)}{{{pairs}}}"
    if isinstance(value, Record):
        return f"{type_name(value)}{{{', '.join(f'{name}:{go_syntax(item)}' for name, item in value.items())}}}"
    return show(value)
