"""Which tags and manifests of a repository are to go by its rule. Pure: facts in, decisions with their reasons out.

A tag goes when its rule says what is kept and nothing of that holds for it. A manifest goes when its rule gives
untagged manifests a term, no tag leads to it (through an index, or as something that is attached to a kept manifest),
and it is past that term. What is attached (a signature, an SBOM: a manifest with a ``subject``) follows its subject.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from havre.registry.access import globs


@dataclass(frozen=True, slots=True)
class Rule:
    """What is kept in repositories that fit ``repositories``; the first rule that fits a repository is its rule.

    ``keep_latest`` tags, those pushed last, are kept, and those pushed within ``keep_younger`` seconds, and those that
    fit one of ``keep_tags``: a tag needs one of these. Without the first two no tag goes. Manifests without a tag go
    ``untagged`` seconds after they were pushed; None keeps them for ever.
    """

    repositories: str
    keep_latest: int | None = None
    keep_younger: float | None = None
    keep_tags: tuple[str, ...] = ()
    untagged: float | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, the manifest it stands for, and when it was last pushed (seconds since the epoch)."""

    name: str
    digest: str
    pushed: float


@dataclass(frozen=True, slots=True)
class Stored:
    """A manifest: when it was pushed, the manifests it lists, and the one it is attached to ("" for none)."""

    digest: str
    pushed: float
    children: tuple[str, ...] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Something that goes, and why. ``tag`` is "" for a manifest."""

    tag: str
    digest: str
    reason: str


def rule_for(rules: Sequence[Rule], repository: str) -> Rule | None:
    """The rule of ``repository``: the first that fits."""
    return next((rule for rule in rules if globs.match(rule.repositories, repository)), None)


def decide(rule: Rule, tags: Sequence[Tag], manifests: Iterable[Stored], now: float) -> list[Decision]:
    """What goes by ``rule``: tags first, then manifests, as they would be after the tags are gone."""
    gone = list(_tags_to_go(rule, tags, now))
    names = {decision.tag for decision in gone}
    kept = {tag.digest for tag in tags if tag.name not in names}
    return gone + list(_manifests_to_go(rule, kept, {each.digest: each for each in manifests}, now))


def _tags_to_go(rule: Rule, tags: Sequence[Tag], now: float) -> Iterator[Decision]:
    if rule.keep_latest is None and rule.keep_younger is None:
        return
    candidates = [tag for tag in tags if not any(fnmatchcase(tag.name, pattern) for pattern in rule.keep_tags)]
    # The name decides between tags of the same moment, so that two runs come to the same end.
    candidates.sort(key=lambda tag: (-tag.pushed, tag.name))
    for rank, tag in enumerate(candidates):
        reasons = []
        if rule.keep_latest is not None:
            if rank < rule.keep_latest:
                continue
            reasons.append(f"not among the {rule.keep_latest} latest tags")
        if rule.keep_younger is not None:
            if now - tag.pushed < rule.keep_younger:
                continue
            reasons.append(f"pushed {int(now - tag.pushed)} s ago")
        yield Decision(tag.name, tag.digest, ", ".join(reasons))


def _manifests_to_go(rule: Rule, tagged: set[str], manifests: Mapping[str, Stored], now: float) -> Iterator[Decision]:
    if rule.untagged is None:
        return
    # What is attached has its subject's term, not one of its own, unless its subject is not here (yet).
    young = {
        digest
        for digest, each in manifests.items()
        if now - each.pushed < rule.untagged and each.subject not in manifests
    }
    kept = _reached(tagged | young, manifests)
    for digest, each in manifests.items():
        if digest not in kept:
            reason = f"attached to {each.subject}, which goes" if each.subject in manifests else "no tag leads to it"
            yield Decision("", digest, reason)


def _reached(roots: set[str], manifests: Mapping[str, Stored]) -> set[str]:
    """``roots``, what they list, and what is attached to any of it."""
    attached: dict[str, list[str]] = {}
    for digest, each in manifests.items():
        if each.subject:
            attached.setdefault(each.subject, []).append(digest)
    reached: set[str] = set()
    waiting = [digest for digest in roots if digest in manifests]
    while waiting:
        digest = waiting.pop()
        if digest not in reached:
            reached.add(digest)
            waiting += [child for child in manifests[digest].children if child in manifests]
            waiting += attached.get(digest, [])
    return reached
