"""``printf``: Go's verbs, flags and complaints (``%!d(string=x)``), for the values of templates."""

from __future__ import annotations

from havre.lib.quoting import quote
from havre.lib.templates.printing import go_syntax, show, show_float, special_float
from havre.lib.templates.values import Nil, Number, Record, type_name, unbox

# Go gives up on a width or precision above this.
_WIDEST = 1_000_000
_MISSING = object()


class _Spec:
    """One directive: its flags, width, precision (None: not given) and verb."""

    def __init__(self) -> None:
        self.flags = ""
        self.width: int | None = None
        self.precision: int | None = None
        self.verb = ""
        self.names = False
        self.problem = ""

    def pad(self, text: str, *, numeric: bool = False) -> str:
        room = (self.width or 0) - len(text)
        if room <= 0:
            return text
        if "-" in self.flags:
            return text + " " * room
        if "0" in self.flags:
            sign = text[:1] if numeric and text[:1] in ("+", "-", " ") else ""
            return sign + "0" * room + text[len(sign) :]
        return " " * room + text


def sprintf(pattern: str, args: list[object]) -> str:
    """``fmt.Sprintf``. Never fails: what does not fit is said in the text, as Go does."""
    return _Printer(pattern, [unbox(arg) for arg in args]).run()


class _Printer:
    def __init__(self, pattern: str, args: list[object]) -> None:
        self.pattern = pattern
        self.args = args
        self.pos = 0
        self.next = 0
        self.reordered = False

    def run(self) -> str:
        out: list[str] = []
        while True:
            percent = self.pattern.find("%", self.pos)
            if percent < 0:
                out.append(self.pattern[self.pos :])
                break
            out.append(self.pattern[self.pos : percent])
            self.pos = percent + 1
            out.append(self._directive())
        if not self.reordered and self.next < len(self.args):
            extra = ", ".join(_described(arg) for arg in self.args[self.next :])
            out.append(f"%!(EXTRA {extra})")
        return "".join(out)

    def _char(self) -> str:
        return self.pattern[self.pos : self.pos + 1]

    def _directive(self) -> str:
        spec = _Spec()
        while self._char() and self._char() in "+-# 0":
            spec.flags += self._char()
            self.pos += 1
        index_ok = self._index()
        spec.width = self._number(spec, "WIDTH")
        if spec.width is not None and spec.width < 0:
            spec.flags, spec.width = spec.flags + "-", -spec.width
        if self._char() == ".":
            self.pos += 1
            index_ok = self._index() and index_ok
            spec.precision = self._number(spec, "PREC") or 0
            if spec.precision < 0:
                spec.precision = None
        index_ok = self._index() and index_ok
        if not self._char():
            return spec.problem + "%!(NOVERB)"
        spec.verb = self._char()
        self.pos += 1
        if spec.verb == "%":
            return spec.problem + "%"
        if not index_ok:
            return f"{spec.problem}%!{spec.verb}(BADINDEX)"
        if self.next >= len(self.args):
            return f"{spec.problem}%!{spec.verb}(MISSING)"
        value = self.args[self.next]
        self.next += 1
        return spec.problem + _formatted(spec, value)

    def _index(self) -> bool:
        """``[n]`` chooses the next argument; False when there is no such one."""
        if self._char() != "[":
            return True
        self.reordered = True
        end = self.pattern.find("]", self.pos)
        digits = self.pattern[self.pos + 1 : end] if end > 0 else ""
        self.pos = end + 1 if end > 0 else self.pos + 1
        if not (digits.isascii() and digits.isdecimal() and 1 <= int(digits[:9]) <= len(self.args)):
            return False
        self.next = int(digits) - 1
        return True

    def _number(self, spec: _Spec, what: str) -> int | None:
        if self._char() == "*":
            self.pos += 1
            value = self.args[self.next] if self.next < len(self.args) else None
            self.next += 1
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _WIDEST:
                return value
            spec.problem += f"%!(BAD{what})"
            return None
        start = self.pos
        while self._char().isdecimal() and self._char().isascii():
            self.pos += 1
        digits = self.pattern[start : self.pos]
        if len(digits) > 7 or int(digits or "0") > _WIDEST:
            spec.problem += f"%!(BAD{what})"
            return None
        return int(digits) if digits else None


def _formatted(spec: _Spec, value: object) -> str:
    if spec.verb == "T":
        return spec.pad(type_name(value))
    if value is None:
        return spec.pad("<nil>") if spec.verb == "v" else f"%!{spec.verb}(<nil>)"
    if spec.verb == "v" and "#" in spec.flags:
        return spec.pad(go_syntax(value))
    if spec.verb == "v" and "+" in spec.flags:
        # With %v a plus asks for the names of fields, not for the sign of numbers.
        spec.flags, spec.names = spec.flags.replace("+", ""), True
    return _value(spec, value)


def _value(spec: _Spec, value: object) -> str:
    value = unbox(value)
    if value is None or isinstance(value, Nil):
        return spec.pad("<nil>")
    if isinstance(value, bool):
        return spec.pad("true" if value else "false") if spec.verb in "tv" else _bad(spec, value)
    if isinstance(value, Number) and spec.verb in "vsq":
        return _string(spec, value.shown)
    if isinstance(value, int):
        return _integer(spec, value)
    if isinstance(value, float):
        return _float(spec, value)
    if isinstance(value, str):
        return _string(spec, value)
    if isinstance(value, list):
        return f"[{' '.join(_value(spec, item) for item in value)}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{_value(spec, key)}:{_value(spec, value[key])}' for key in sorted(value))}]"
    if isinstance(value, Record):
        if (text := value.text()) is not None:
            return _string(spec, text)
        shown = (f"{name}:{_value(spec, item)}" if spec.names else _value(spec, item) for name, item in value.items())
        return f"{{{' '.join(shown)}}}"
    return show(value)


def _integer(spec: _Spec, value: int) -> str:
    verb = spec.verb
    if verb == "c":
        return spec.pad(_char(value))
    if verb == "q":
        return spec.pad(quote(_char(value), "'"))
    if verb == "U":
        shown = f"U+{value:04X}"
        return spec.pad(f"{shown} '{_char(value)}'" if "#" in spec.flags and _char(value).isprintable() else shown)
    base = {"v": "d", "d": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}.get(verb)
    if base is None:
        return _bad(spec, value)
    digits = f"{abs(value):{base}}"
    if spec.precision is not None:
        digits = "" if spec.precision == 0 and value == 0 else digits.rjust(spec.precision, "0")
    if "#" in spec.flags or verb == "O":
        digits = {"x": "0x", "X": "0X", "o": "0", "b": "0b", "O": "0o"}.get(verb, "") + digits
    sign = "-" if value < 0 else "+" if "+" in spec.flags else " " if " " in spec.flags else ""
    if spec.precision is not None and "0" in spec.flags:
        spec = _without_zero(spec)
    return spec.pad(sign + digits, numeric=True)


def _without_zero(spec: _Spec) -> _Spec:
    plain = _Spec()
    plain.flags, plain.width, plain.precision = spec.flags.replace("0", ""), spec.width, spec.precision
    plain.verb, plain.names = spec.verb, spec.names
    return plain


def _float(spec: _Spec, value: float) -> str:
    verb, precision = spec.verb, spec.precision
    if verb not in "vgGeEfF":
        return _bad(spec, value)
    special = special_float(value)
    if special is not None:
        text = special
        spec = _without_zero(spec)
    elif verb in "vgG":
        text = show_float(value, -1 if precision is None else precision)
        text = text.upper() if verb == "G" else text
    else:
        text = f"{value:.{6 if precision is None else precision}{verb.lower()}}"
        text = text.upper() if verb == "E" else text
    if not text.startswith(("-", "+")) and special != "NaN":
        text = ("+" if "+" in spec.flags else " " if " " in spec.flags else "") + text
    return spec.pad(text, numeric=True)


def _string(spec: _Spec, value: str) -> str:
    verb = spec.verb
    if verb in "xX":
        data = value.encode("utf-8", "surrogatepass")[: spec.precision]
        text = data.hex(" ") if " " in spec.flags else data.hex()
        return spec.pad(text.upper() if verb == "X" else text)
    if spec.precision is not None:
        value = value[: spec.precision]
    if verb in "vs":
        return spec.pad(value)
    if verb == "q":
        raw = "#" in spec.flags and "`" not in value and all(c.isprintable() or c == "\t" for c in value)
        return spec.pad(f"`{value}`" if raw else quote(value))
    return _bad(spec, value)


def _char(code: int) -> str:
    return chr(code) if 0 <= code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd"


def _bad(spec: _Spec, value: object) -> str:
    return f"%!{spec.verb}({type_name(value)}={show(value)})"


def _described(value: object) -> str:
    return "<nil>" if value is None else f"{type_name(value)}={show(value)}"
