"""What images are called: each name stands for a document (an index, a manifest) and for the image that is meant by it.

The image store comes in here and keeps these records durable. Of the images for several platforms that one name
stands for, the one this host runs best is meant.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from havre.image.documents import Documents
from havre.image.manifest import Platform, best, host_platform
from havre.lib.references import Reference


class Name(NamedTuple):
    """``image``: the id of the image that is meant. ``target``: the digest of its document, None if it has none."""

    image: str
    target: str | None


class Names:
    """The names of one store, in memory. ``platform_of`` knows the images: None for what is no image here."""

    def __init__(self, documents: Documents, platform_of: Callable[[str], Platform | None]) -> None:
        self._documents = documents
        self._platform_of = platform_of
        self._names: dict[Reference, Name] = {}
        self._variants: dict[str, tuple[str, ...]] = {}

    def get(self, name: Reference) -> Name | None:
        return self._names.get(name)

    def items(self) -> list[tuple[Reference, Name]]:
        return list(self._names.items())

    def targets(self) -> set[str]:
        """The documents that have a name."""
        return {name.target for name in self._names.values() if name.target is not None}

    def of(self, image_id: str) -> tuple[Reference, ...]:
        """The names that mean the image."""
        return tuple(sorted((n for n, at in self._names.items() if at.image == image_id), key=Reference.canonical))

    def variants(self, target: str | None) -> tuple[str, ...]:
        """The images here that the document stands for, in its order."""
        if target is None:
            return ()
        if target not in self._variants:
            configs = [leaf.manifest.config.digest for leaf in self._documents.leaves(target) if leaf.manifest]
            known = (config for config in configs if self._platform_of(config) is not None)
            self._variants[target] = tuple(dict.fromkeys(known))
        return self._variants[target]

    def reaching(self, image_id: str) -> list[Reference]:
        """The names that stand for the image, also those that mean another platform's by default."""
        return [
            name
            for name, at in self._names.items()
            if at.image == image_id or (at.target is not None and image_id in self.variants(at.target))
        ]

    def meant(self, target: str | None, otherwise: str) -> str:
        """The image that a name of ``target`` means: what this host runs, ``otherwise`` if it runs none of them."""
        host = host_platform()
        found = {image_id: self._platform_of(image_id) for image_id in self.variants(target)}
        runnable = best(host, {image_id: platform for image_id, platform in found.items() if platform is not None})
        return runnable or otherwise

    def put(self, name: Reference, at: Name) -> None:
        self._names[name] = at

    def drop(self, names: Iterable[Reference]) -> None:
        for name in names:
            self._names.pop(name, None)

    def changed(self) -> None:
        """Images or documents have come or gone."""
        self._variants.clear()
