"""The manifests asked for lately, in memory: a bounded number of bytes, forgotten a repository at a time."""

from collections import OrderedDict
from dataclasses import dataclass

_ROOM = 8 << 20
# What a name, its key and the objects around a body take up beside it.
_EACH = 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """A stored manifest. ``body`` is None when it is too large to be handed round in one piece."""

    digest: str
    media_type: str
    size: int
    body: bytes | None


class ManifestCache:
    """By repository and reference, least recently used out first. ``generation`` grows with every change."""

    def __init__(self, room: int = _ROOM) -> None:
        self._room = room
        self._used = 0
        self._known: OrderedDict[tuple[str, str], Manifest] = OrderedDict()
        self.generation = 0

    def get(self, repository: str, reference: str) -> Manifest | None:
        key = (repository, reference)
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def put(self, repository: str, reference: str, manifest: Manifest) -> None:
        self._drop((repository, reference))
        self._known[repository, reference] = manifest
        self._used += _cost(manifest)
        while self._used > self._room:
            self._drop(next(iter(self._known)))

    def forget(self, repository: str) -> None:
        """Something in the repository has changed, or may have."""
        self.generation += 1
        for key in [key for key in self._known if key[0] == repository]:
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        manifest = self._known.pop(key, None)
        if manifest is not None:
            self._used -= _cost(manifest)


def _cost(manifest: Manifest) -> int:
    return _EACH + len(manifest.body or b"")
