"""Why a step is carried out: what is not as it was when the same step, or the one most like it, was done before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from havre.builder.cache import BuildCache, Record
from havre.builder.plan.vertices import FromImage, Vertex

_MOST_FILES = 5
# What makes a step of each kind the same step.
_ITSELF = {"run": ("words",), "copy": ("items", "target"), "directory": ("",)}
_FIELDS = {
    "words": "the command changed",
    "directory": "the working directory changed",
    "user": "the user changed",
    "mounts": "the mounts changed",
    "network": "the network changed",
    "security": "the security mode changed",
    "files": "a here-document changed",
    "items": "the names of the sources changed",
    "target": "the target changed",
    "owner": "--chown changed",
    "mode": "--chmod changed",
    "exclude": "--exclude changed",
    "parents": "--parents changed",
    "linked": "--link changed",
    "epoch": "SOURCE_DATE_EPOCH changed",
    "": "the path changed",
}


@dataclass(frozen=True, slots=True)
class Reasons:
    """Compares steps with those in the cache."""

    cache: BuildCache

    async def of(self, vertex: Vertex, parts: Mapping[str, str], details: Mapping[str, str]) -> list[str]:
        """Why the step of these parts is not taken from the cache."""
        if vertex.ignore_cache:
            return ["the cache is not to be used"]
        earlier = best(self.cache.records().values(), parts, vertex.name)
        if earlier is None:
            return ["no step like this has been built before"]
        found = why(earlier.inputs, parts, await self.cache.details(earlier), details, _root(vertex))
        return found or ["what it gave is no longer here"]


def best(records: Iterable[Record], parts: Mapping[str, str], name: str) -> Record | None:
    """The earlier step that this one is most like: of two that are alike the newer. None: nothing is like it."""
    kind, flat = _kind(parts), _flat(parts)
    alike = [record for record in records if _kind(record.inputs) == kind != ""]
    likeness = [(_likeness(record, flat, kind, name), record.created, record) for record in alike]
    found = max((one for one in likeness if one[0] > 0), key=lambda one: one[:2], default=None)
    return None if found is None else found[2]


def why(
    before: Mapping[str, str],
    now: Mapping[str, str],
    files_before: Mapping[str, str],
    files_now: Mapping[str, str],
    root: str,
) -> list[str]:
    """What changed between two steps, by the parts of their keys; ``root`` tells people what a step stands on.

    Files are what inputs are made of, by ``<part> <path>``. Values are not told: they may be another's secret.
    """
    old, new = _flat(before), _flat(now)
    found: list[str] = []
    for name in sorted(old.keys() | new.keys(), key=_order):
        if old.get(name) == new.get(name):
            continue
        if name == "root":
            found.append(root)
        elif name.startswith("variable "):
            change = "is new" if name not in old else "is gone" if name not in new else "changed"
            found.append(f"the {name} {change}")
        elif name.startswith(("source ", "mount ")):
            found += _files(name, files_before, files_now)
        else:
            found.append(_FIELDS.get(name, f"{name} changed"))
    return found


def _root(vertex: Vertex) -> str:
    below = vertex.inputs[0]
    if isinstance(below.operation, FromImage):
        return f"the base image changed: {below.operation.reference} is {below.operation.digest}"
    return f"what it stands on changed: {below.name}" if below.name else "what it stands on changed"


def _files(part: str, before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    begin = f"{part} "
    old = {name.removeprefix(begin): digest for name, digest in before.items() if name.startswith(begin)}
    new = {name.removeprefix(begin): digest for name, digest in now.items() if name.startswith(begin)}
    where = f" (mounted at {part.removeprefix('mount ')})" if part.startswith("mount ") else ""
    if not old or not new:
        return [f"its files changed{where}"]
    changed = [
        f"{path} {'is new' if path not in old else 'is gone' if path not in new else 'changed'}{where}"
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]
    more = len(changed) - _MOST_FILES
    return [*changed[:_MOST_FILES], *([f"and {more} files more"] if more > 0 else [])] or [f"its files changed{where}"]


def _flat(parts: Mapping[str, str]) -> dict[str, str]:
    """The parts of a key one by one: the fields of its operation, and each variable of a command."""
    flat: dict[str, str] = {}
    for name, text in parts.items():
        if name not in ("run", "copy"):
            flat["" if name == "directory" else name] = text
            continue
        for key, value in msgspec.json.decode(text).items():
            if key == "environment":
                flat |= {f"variable {one.partition('=')[0]}": one for one in value}
            else:
                flat[key] = msgspec.json.encode(value).decode()
    return flat


def _kind(parts: Mapping[str, str]) -> str:
    return next((kind for kind in _ITSELF if kind in parts), "")


def _likeness(record: Record, flat: Mapping[str, str], kind: str, name: str) -> int:
    """How much a record is like a step of the same kind; 0 for one that has nothing to do with it."""
    before = _flat(record.inputs)
    itself = all(before.get(key) == flat[key] for key in _ITSELF[kind])
    rooted = before.get("root") == flat.get("root")
    # Another command at the same place of a Dockerfile whose steps before are the same.
    here = _place(record.description) == _place(name) != ""
    if not itself and not (here and rooted):
        return 0
    same = sum(before.get(key) == value for key, value in flat.items())
    return 1 + same + 1000 * itself + 500 * rooted + 100 * here


def _place(name: str) -> str:
    """The place that a step's name tells: ``[stage 2/5]``."""
    place, bracket, _ = name.partition("] ")
    return place if bracket and place.startswith("[") else ""


def _order(name: str) -> tuple[int, str]:
    """What people would look at first comes first."""
    ranks: Sequence[str] = ("root", "words", "items", "files", "source", "mount", "variable")
    first = name.partition(" ")[0]
    return (ranks.index(first) if first in ranks else len(ranks), name)
