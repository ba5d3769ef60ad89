"""Numbers as Prometheus reads them: counters, gauges and histograms, in its text format (version 0.0.4)."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_Labels = tuple[str, ...]


class Counter:
    """A number that only grows, for each combination of label values."""

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self._text = text
        self._labels = tuple(labels)
        self._values: dict[_Labels, float] = {} if labels else {(): 0.0}

    def add(self, amount: float = 1, *values: str) -> None:
        """Count ``amount`` more for these label values, in the order the labels were named."""
        self._values[values] = self._values.get(values, 0.0) + amount

    def lines(self) -> Iterator[str]:
        """What is said of it."""
        yield from _head(self.name, self._text, "counter")
        for values, number in sorted(self._values.items()):
            yield f"{self.name}{_labels(self._labels, values)} {_number(number)}"


class Gauge:
    """A number asked for when it is read: ``read`` gives it for each combination of label values."""

    def __init__(
        self, name: str, text: str, read: Callable[[], Mapping[_Labels, float]], labels: Sequence[str] = ()
    ) -> None:
        self.name = name
        self._text = text
        self._labels = tuple(labels)
        self._read = read

    def lines(self) -> Iterator[str]:
        """What is said of it."""
        yield from _head(self.name, self._text, "gauge")
        for values, number in sorted(self._read().items()):
            yield f"{self.name}{_labels(self._labels, values)} {_number(number)}"


class Histogram:
    """How many of the observed numbers are at most each bound, for each combination of label values."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], labels: Sequence[str] = ()) -> None:
        self.name = name
        self._text = text
        self._bounds = tuple(bounds)
        self._labels = tuple(labels)
        self._buckets: dict[_Labels, list[int]] = {}
        self._sums: dict[_Labels, float] = {}

    def observe(self, number: float, *values: str) -> None:
        """Count one more observation."""
        if (buckets := self._buckets.get(values)) is None:
            buckets = self._buckets[values] = [0] * (len(self._bounds) + 1)
            self._sums[values] = 0.0
        buckets[bisect_left(self._bounds, number)] += 1
        self._sums[values] += number

    def lines(self) -> Iterator[str]:
        """What is said of it."""
        yield from _head(self.name, self._text, "histogram")
        for values, buckets in sorted(self._buckets.items()):
            below = 0
            for bound, count in zip((*map(_number, self._bounds), "+Inf"), buckets, strict=True):
                below += count
                yield f"{self.name}_bucket{_labels((*self._labels, 'le'), (*values, bound))} {below}"
            yield f"{self.name}_sum{_labels(self._labels, values)} {_number(self._sums[values])}"
            yield f"{self.name}_count{_labels(self._labels, values)} {below}"


def _head(name: str, text: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _labels(names: _Labels, values: _Labels) -> str:
    words = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{','.join(words)}}}" if names else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
