"""Lint: what works in a Dockerfile but should be written otherwise. Names and sentences are those of BuildKit's checks.

The rules are in ``lintrules``; here are findings, and which of them are wanted: ``# check=skip=…;error=true``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from havre.dockerfile.faults import DockerfileError, nearest
from havre.dockerfile.instructions import Dockerfile
from havre.lib.booleans import parse_bool

DIRECTIVE_ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"
"""The build argument that stands for the directive, and wins over it."""

EXPERIMENTAL = frozenset({"CopyIgnoredFile", "InvalidDefinitionDescription"})
"""Rules that count only for those who ask for them."""

Excluded = Callable[[str], bool]
"""Whether a path of the context is left out of it."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Lines ``first`` to ``last`` break ``rule``; ``message`` is a sentence about this very place."""

    first: int
    last: int
    rule: str
    message: str

    @property
    def text(self) -> str:
        """On one line, as the builder's clients show it."""
        return f"{self.rule}: {self.message} (line {self.first})"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which findings count. ``error``: one of them ends the build. "all" stands for every rule."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    def of(self, findings: Iterable[Finding]) -> list[Finding]:
        """Those that count, in the order of the file."""
        return sorted({one for one in findings if self._counts(one.rule)})

    def _counts(self, rule: str) -> bool:
        if _has(self.skip, rule):
            return False
        return rule not in EXPERIMENTAL or _has(self.experimental, rule)


def wanted(file: Dockerfile, arguments: Mapping[str, str]) -> Wanted:
    """What the file's directive says, or the build argument. Raises ``DockerfileError``."""
    text = arguments.get(DIRECTIVE_ARGUMENT) or file.directives.get("check", "")
    said: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(";"))):
        name, equals, value = part.partition("=")
        if name not in ("skip", "error", "experimental") or not equals:
            raise DockerfileError(f"invalid check option {part!r}: it is skip=…, error=… or experimental=…")
        said[name] = value
    error = parse_bool(said.get("error", "false"))
    if error is None:
        raise DockerfileError(f"invalid check option: error={said['error']}")
    return Wanted(_names(said.get("skip", "")), _names(said.get("experimental", "")), error)


def refuse(findings: Iterable[Finding]) -> None:
    """Raise ``DockerfileError`` naming the rules that were broken, if any were."""
    found = sorted(findings)
    if found:
        rules = ", ".join(sorted({one.rule for one in found}))
        raise DockerfileError(f"lint violation found for rules: {rules}", found[0].first, found[0].last)


def undefined(first: int, last: int, names: Iterable[str], known: Iterable[str]) -> list[Finding]:
    """Variables that an instruction named and that had no value there; ``known`` are those that had one."""
    candidates = tuple(known)
    return [
        Finding(first, last, "UndefinedVar", f"Usage of undefined variable '${name}'{guess(name, candidates, '$')}")
        for name in sorted(names)
    ]


def guess(name: str, known: tuple[str, ...], sign: str = "") -> str:
    """What somebody who wrote ``name`` may have meant, in brackets; "" for nothing near."""
    found = nearest(name, known)
    return f" (did you mean {sign}{found}?)" if found and found != name else ""


def _names(text: str) -> frozenset[str]:
    return frozenset(filter(None, (name.strip().lower() for name in text.split(","))))


def _has(names: frozenset[str], rule: str) -> bool:
    return "all" in names or rule.lower() in names
