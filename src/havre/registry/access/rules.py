"""Which repositories who may read, write and delete in: a table of permissions, to which each rule only adds.

A file of rules (TOML, or JSON of the same shape)::

    [groups]
    dev = ["alice", "bob", "robot:ci"]

    [[rules]]
    who = ["group:dev"]              # user:NAME, robot:NAME, certificate:NAME (NAME may be *),
                                     # group:NAME, anonymous, authenticated
    repositories = ["team/**"]       # * stops at a slash, ** does not
    actions = ["read", "write"]      # read, write (and so read), delete, admin

What no rule allows is refused; order means nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from havre.errors import InvalidParameter
from havre.registry.access import globs
from havre.registry.identity import ANONYMOUS_KIND, CERTIFICATE, ROBOT, USER, Identity

PULL, PUSH, DELETE, ADMIN = "pull", "push", "delete", "admin"

# A push asks what is there already: who may write may read.
_ACTIONS = {
    "read": {PULL}, "pull": {PULL}, "write": {PULL, PUSH}, "push": {PULL, PUSH}, "delete": {DELETE}, "admin": {ADMIN},
}  # fmt: skip
EVERYTHING = frozenset({PULL, PUSH, DELETE, ADMIN})
_KINDS = (USER, ROBOT, CERTIFICATE, "group")
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Grant:
    """``actions`` (pull, push, delete, admin) in the repositories that fit one of the patterns."""

    repositories: tuple[str, ...]
    actions: frozenset[str]

    def covers(self, repository: str) -> bool:
        """Whether it speaks of ``repository``."""
        return any(globs.match(pattern, repository) for pattern in self.repositories)


@dataclass(frozen=True, slots=True)
class Rule:
    """``grant`` for all in ``who``: ``kind:name``, ``kind:*``, ``anonymous``, ``authenticated``; no groups."""

    who: frozenset[str]
    grant: Grant

    def speaks_of(self, identity: Identity) -> bool:
        """Whether it grants anything to ``identity``."""
        if identity.is_anonymous:
            return ANONYMOUS_KIND in self.who
        return not self.who.isdisjoint((str(identity), f"{identity.kind}:*", "authenticated"))


@dataclass(slots=True)
class Rules:
    """The table; what it has said is remembered, up to a bound."""

    rules: tuple[Rule, ...]
    _known: dict[tuple[Identity, str], frozenset[str]] = field(default_factory=dict)

    def granted(self, identity: Identity, repository: str) -> frozenset[str]:
        """All that ``identity`` may do in ``repository``."""
        key = (identity, repository)
        if (known := self._known.get(key)) is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = union(
                rule.grant for rule in self.rules if rule.speaks_of(identity) and rule.grant.covers(repository)
            )
        return known

    def administers(self, identity: Identity) -> bool:
        """Whether ``identity`` may do what concerns no single repository."""
        return any(ADMIN in rule.grant.actions and rule.speaks_of(identity) for rule in self.rules)

    def reads_something(self, identity: Identity) -> bool:
        """Whether there is anything that ``identity`` may read."""
        return any(PULL in rule.grant.actions and rule.speaks_of(identity) for rule in self.rules)


def union(grants: Iterable[Grant]) -> frozenset[str]:
    """The actions of all of them together."""
    return frozenset().union(*(grant.actions for grant in grants))


def parse_grant(repositories: object, actions: object, where: str) -> Grant:
    """The grant these two lists of words make. InvalidParameter naming ``where`` and the word that is wrong."""
    patterns = _words(repositories, f"{where}: repositories")
    for pattern in patterns:
        try:
            globs.check(pattern)
        except ValueError as error:
            raise InvalidParameter(f"{where}: {pattern!r} is no pattern of repositories: {error}") from None
    meant: set[str] = set()
    for word in _words(actions, f"{where}: actions"):
        if word not in _ACTIONS:
            raise InvalidParameter(f"{where}: unknown action {word!r} (known: read, write, delete, admin)")
        meant |= _ACTIONS[word]
    return Grant(tuple(patterns), frozenset(meant))


def parse_rules(data: Mapping[str, object], where: str) -> Rules:
    """The table in a decoded file. InvalidParameter naming what is wrong in it."""
    _known_keys(data, {"groups", "rules"}, where)
    groups = data.get("groups", {})
    if not isinstance(groups, dict):
        raise InvalidParameter(f"{where}: groups must be a table of lists of names")
    members = {name: _members(name, value, where) for name, value in groups.items()}
    entries = data.get("rules", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidParameter(f"{where}: rules must be a list of tables")
    return Rules(tuple(_rule(entry, members, f"{where}: rule {i}") for i, entry in enumerate(entries, start=1)))


def everybody_signed_in(*, anonymous_reads: bool) -> Rules:
    """The table of a registry that was given none: who has signed in with a password may do all, robots only what
    they were made for.
    """
    return Rules((Rule(frozenset({f"{USER}:*"}), Grant(("**",), EVERYTHING)), *reads_of_all(anonymous_reads)))


def everything_for_everybody() -> Rules:
    """The table of a registry that asks nobody who they are."""
    return Rules((Rule(frozenset({ANONYMOUS_KIND, "authenticated"}), Grant(("**",), EVERYTHING)),))


def reads_of_all(wanted: bool) -> tuple[Rule, ...]:
    """The rule behind ``--anonymous-read``."""
    everyone = frozenset({ANONYMOUS_KIND, "authenticated"})
    return (Rule(everyone, Grant(("**",), frozenset({PULL}))),) if wanted else ()


def _rule(entry: Mapping[str, object], members: Mapping[str, frozenset[str]], where: str) -> Rule:
    _known_keys(entry, {"who", "repositories", "actions"}, where)
    who: set[str] = set()
    for word in _words(entry.get("who"), f"{where}: who"):
        if word.startswith("group:"):
            if word[6:] not in members:
                raise InvalidParameter(f"{where}: there is no group {word[6:]!r}")
            who |= members[word[6:]]
        else:
            who.add(_person(word, where))
    return Rule(frozenset(who), parse_grant(entry.get("repositories"), entry.get("actions"), where))


def _members(group: str, value: object, where: str) -> frozenset[str]:
    here = f"{where}: group {group!r}"
    return frozenset(_person(word if ":" in word else f"{USER}:{word}", here) for word in _words(value, here))


def _person(word: str, where: str) -> str:
    kind, colon, name = word.partition(":")
    if word in (ANONYMOUS_KIND, "authenticated") or (colon and name and kind in _KINDS and kind != "group"):
        return word
    raise InvalidParameter(
        f"{where}: {word!r} names nobody (use user:NAME, robot:NAME, certificate:NAME, group:NAME, anonymous, "
        "authenticated)"
    )


def _words(value: object, where: str) -> Sequence[str]:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
        raise InvalidParameter(f"{where} must be a list of words, and not empty")
    return value


def _known_keys(data: Mapping[str, object], known: set[str], where: str) -> None:
    for key in data:
        if key not in known:
            raise InvalidParameter(f"{where}: unknown key {key!r} (known: {', '.join(sorted(known))})")
