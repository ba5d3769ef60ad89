"""The sections ``gc``, ``retention`` and ``quota`` of the configuration, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from havre.errors import InvalidParameter
from havre.registry import sections
from havre.registry.access import globs
from havre.registry.sections import Seconds, Size, Table
from havre.registry.upkeep.retention import Rule


class Gc(Table, frozen=True):
    """``interval`` between collections ("0s": only when asked to); ``grace`` for what nothing names yet; ``uploads``
    nobody has written to for so long are given up."""

    interval: Seconds = Seconds(3600)
    grace: Seconds = Seconds(3600)
    uploads: Seconds = Seconds(7 * 86400)


class Retention(Table, frozen=True):
    """See ``retention.Rule``."""

    keep_latest: int | None = None
    keep_younger: Seconds | None = None
    keep_tags: tuple[str, ...] = ()
    untagged: Seconds | None = None


class Quota(Table, frozen=True):
    """``size`` bounds each repository that fits, or all of them ``together``."""

    size: Size
    together: bool = False


@dataclass(frozen=True, slots=True)
class Upkeep:
    """All that is set about it; rules and quotas in the order of the file."""

    gc: Gc
    rules: tuple[Rule, ...]
    quotas: Mapping[str, Quota]


def read(found: Mapping[str, Mapping[str, Any]]) -> Upkeep:
    """The three sections. Raises ``InvalidParameter``."""
    rules = sections.read(found, "retention", dict[str, Retention])
    quotas = sections.read(found, "quota", dict[str, Quota])
    for name, patterns in (("retention", rules), ("quota", quotas)):
        for pattern in patterns:
            _check(name, pattern)
    return Upkeep(sections.read(found, "gc", Gc), tuple(_rule(*item) for item in rules.items()), quotas)


def _rule(repositories: str, table: Retention) -> Rule:
    if table.keep_latest is not None and table.keep_latest < 0:
        raise InvalidParameter(f"[retention]: {repositories}: keep-latest is negative")
    if table.keep_tags and table.keep_latest is None and table.keep_younger is None:
        raise InvalidParameter(f"[retention]: {repositories}: keep-tags goes with keep-latest or keep-younger")
    return Rule(repositories, table.keep_latest, table.keep_younger, table.keep_tags, table.untagged)


def _check(name: str, pattern: str) -> None:
    try:
        globs.check(pattern)
    except ValueError as error:
        raise InvalidParameter(f"[{name}]: {pattern!r}: {error}") from None
