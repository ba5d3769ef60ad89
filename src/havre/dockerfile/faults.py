"""What is wrong in a Dockerfile, and where: the error of this room, told with the lines it is about."""

from collections.abc import Sequence

from havre.errors import InvalidParameter

_AROUND = 2


class DockerfileError(InvalidParameter):
    """Lines ``first`` to ``last`` (counted from 1; 0: the file as a whole) are not what the language allows.

    ``reason`` is the bare sentence; ``message`` names the line, as the builder's clients show it.
    """

    def __init__(self, reason: str, first: int = 0, last: int = 0) -> None:
        where = f"dockerfile parse error on line {first}: " if first else ""
        super().__init__(where + reason)
        self.reason = reason
        self.first = first
        self.last = max(first, last)

    def at(self, first: int, last: int) -> "DockerfileError":
        """The same fault, with its place if it has none yet."""
        return self if self.first else DockerfileError(self.reason, first, last)


def shown(name: str, source: str, first: int, last: int, column: int | None = None) -> str:
    """Lines ``first`` to ``last`` of ``source``, the file ``name``, with their neighbours, marked.

    ``column`` (from 0, in the first line) gets a caret below it.
    """
    lines = source.splitlines()
    if not 1 <= first <= len(lines):
        return f"{name}\n"
    begin, end = max(1, first - _AROUND), min(len(lines), last + _AROUND)
    width = len(str(end))
    out = [f"{name}:{first}", "-" * 20]
    for number in range(begin, end + 1):
        mark = ">>>" if first <= number <= last else "   "
        out.append(f"{number:>{width}} | {mark} {lines[number - 1]}")
        if number == first and column is not None:
            blank = "".join("\t" if sign == "\t" else " " for sign in lines[number - 1][:column])
            out.append(f"{' ' * width} |     {blank}^")
    out.append("-" * 20)
    return "\n".join(out) + "\n"


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The one of ``known`` that somebody who wrote ``word`` most likely meant: at most two edits away."""
    best = min(known, key=lambda candidate: _distance(word, candidate), default=None)
    return best if best is not None and _distance(word, best) <= min(2, len(best) - 1) else None


def _distance(a: str, b: str) -> int:
    """Damerau–Levenshtein distance, neighbours swapped counting one."""
    if len(a) > 64 or len(b) > 64:
        return max(len(a), len(b))
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row, above = row, [i], before
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return row[-1]
