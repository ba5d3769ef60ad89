"""Scopes of Docker's token protocol: ``repository:team/app:pull,push``, and the ``access`` claim they become."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

REPOSITORY, REGISTRY = "repository", "registry"
_SCOPE = re.compile(r"(?P<kind>[a-z0-9]+)(?:\([a-z0-9]+\))?:(?P<name>[^\s\"\\]{1,300}):(?P<actions>[a-z*,]{0,64})")
_MOST = 100

Access = Mapping[tuple[str, str], frozenset[str]]
"""(kind, name) → actions."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource and what is to be done with it."""

    kind: str
    name: str
    actions: frozenset[str]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}:{','.join(sorted(self.actions))}"


def parse(words: Iterable[str]) -> list[Scope]:
    """The scopes in query parameters or a form; each may hold several between spaces. ValueError for malformed ones."""
    found: list[Scope] = []
    for word in " ".join(words).split():
        match = _SCOPE.fullmatch(word)
        if match is None or len(found) == _MOST:
            raise ValueError("malformed scope" if match is None else f"more than {_MOST} scopes")
        found.append(Scope(match["kind"], match["name"], frozenset(match["actions"].split(",")) - {""}))
    return found


def to_claim(scopes: Iterable[Scope]) -> list[dict[str, object]]:
    """The ``access`` claim that says these."""
    return [{"type": scope.kind, "name": scope.name, "actions": sorted(scope.actions)} for scope in scopes]


def from_claim(claim: object) -> Access:
    """What an ``access`` claim allows; whatever in it is malformed allows nothing."""
    access: dict[tuple[str, str], frozenset[str]] = {}
    for entry in claim if isinstance(claim, list) else []:
        if not isinstance(entry, dict):
            continue
        kind, name, actions = entry.get("type"), entry.get("name"), entry.get("actions")
        if isinstance(kind, str) and isinstance(name, str) and isinstance(actions, list):
            words = frozenset(action for action in actions if isinstance(action, str))
            access[kind, name] = access.get((kind, name), frozenset()) | words
    return access


def covers(access: Access, kind: str, name: str, action: str) -> bool:
    """Whether ``action`` is among what ``access`` allows there."""
    return not access.get((kind, name), frozenset()).isdisjoint((action, "*"))
