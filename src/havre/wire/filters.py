"""Docker's ``filters`` parameter: a map of names to values, as JSON in a query; both ends of the socket use it.

Two JSON forms exist: ``{"label": ["a=b"]}`` and, since API 1.22, ``{"label": {"a=b": true}}``. Both are read, the newer
one is written. How a name matches (exactly, by prefix, as a regular expression, as labels) is the verb's to choose.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from havre.errors import InvalidParameter
from havre.lib.patterns import PatternError, pattern

_TRUE = ("1", "true")
_FALSE = ("0", "false")


class Filters(Mapping[str, tuple[str, ...]]):
    """An immutable mapping of filter name to its values, in the order given. A name not given matches anything."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Iterable[str]] | None = None) -> None:
        self._values = {name: tuple(dict.fromkeys(given)) for name, given in (values or {}).items()}

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Filters({self._values})"

    def values_of(self, name: str) -> tuple[str, ...]:
        """The values given for ``name``; none when it was not given."""
        return self._values.get(name, ())

    def with_value(self, name: str, value: str) -> "Filters":
        """These filters with one more value."""
        return Filters({**self._values, name: (*self.values_of(name), value)})

    def validate(self, allowed: Iterable[str]) -> None:
        """Raise ``InvalidParameter`` for a name the verb does not know."""
        known = frozenset(allowed)
        for name in self._values:
            if name not in known:
                raise InvalidParameter(f"invalid filter '{name}'")

    def flag(self, name: str, default: bool = False) -> bool:
        """The value of a boolean filter: one of 1, true, 0, false. Anything else is ``InvalidParameter``."""
        values = self.values_of(name)
        if not values:
            return default
        if len(values) == 1 and values[0] in _TRUE:
            return True
        if len(values) == 1 and values[0] in _FALSE:
            return False
        raise self.invalid(name)

    def exact(self, name: str, *sources: str) -> bool:
        """Whether any of ``sources`` is one of the values."""
        values = self._values.get(name)
        return not values or any(source in values for source in sources)

    def fuzzy(self, name: str, *sources: str) -> bool:
        """Whether any of ``sources`` begins with one of the values."""
        values = self._values.get(name)
        return not values or any(source.startswith(values) for source in sources)

    def matches(self, name: str, *sources: str) -> bool:
        """Whether one of the values, as a regular expression, is found in any of ``sources``."""
        values = self._values.get(name)
        if not values:
            return True
        try:
            return any(pattern(value).found_in(source) for value in values for source in sources)
        except PatternError:
            raise self.invalid(name) from None

    def match_labels(self, labels: Mapping[str, str] | None, name: str = "label") -> bool:
        """Whether ``labels`` carry every value given, each ``key`` or ``key=value``."""
        found = labels or {}
        for wanted in self.values_of(name):
            key, equals, value = wanted.partition("=")
            if key not in found or (equals and found[key] != value):
                return False
        return True

    def refuses_labels(self, labels: Mapping[str, str] | None) -> bool:
        """Whether ``label!`` was given and ``labels`` carry all of it: prune leaves such an object alone."""
        return bool(self.values_of("label!")) and self.match_labels(labels, "label!")

    def invalid(self, name: str) -> InvalidParameter:
        """The error for values of ``name`` that make no sense, in Docker's words."""
        return InvalidParameter(f"invalid filter '{name}=[{' '.join(self.values_of(name))}]'")


def parse(text: str | None) -> Filters:
    """Read a ``filters`` parameter in either JSON form. ``InvalidParameter`` when it is neither."""
    if not text:
        return Filters()
    try:
        document = json.loads(text)
    except ValueError:
        raise InvalidParameter("invalid filter") from None
    if not isinstance(document, dict):
        raise InvalidParameter("invalid filter")
    return Filters({name: _values(given) for name, given in document.items()})


def _values(given: object) -> list[str]:
    if isinstance(given, dict) and all(isinstance(chosen, bool) for chosen in given.values()):
        return [value for value, chosen in given.items() if chosen]
    if isinstance(given, list) and all(isinstance(value, str) for value in given):
        return given
    raise InvalidParameter("invalid filter")


def encode(values: Mapping[str, Sequence[str]]) -> str:
    """Write filters in the newer JSON form; empty when there are none."""
    if not values:
        return ""
    document = {name: dict.fromkeys(given, True) for name, given in values.items()}
    return json.dumps(document, separators=(",", ":"))
