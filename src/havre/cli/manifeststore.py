"""Manifest lists in the making: a directory a list, a file an image, in ``manifests`` beside ``config.json``, where
docker keeps them too.
"""

from __future__ import annotations

import os
import shutil

from havre.cli.errors import CommandError
from havre.cli.manifests import ImageManifest, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from havre.client.config import ConfigFile
    from havre.lib.references import Reference


class ManifestStore:
    """The lists of one user."""

    def __init__(self, config: ConfigFile) -> None:
        self._root = os.path.join(config.directory, "manifests")

    def get(self, target: Reference, image: Reference) -> ImageManifest | None:
        """The manifest of ``image`` in the list ``target``."""
        return self._read(os.path.join(self._folder(target), _safe(image)))

    def all(self, target: Reference) -> list[ImageManifest]:
        """The list ``target``; empty where there is none."""
        folder = self._folder(target)
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            return []
        found = (self._read(os.path.join(folder, name)) for name in names)
        return [image for image in found if image is not None]

    def exists(self, target: Reference) -> bool:
        return os.path.isdir(self._folder(target))

    def save(self, target: Reference, name: Reference, image: ImageManifest) -> None:
        """Put ``image`` into the list, in place of the one it had by this name."""
        folder = self._folder(target)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        path = os.path.join(folder, _safe(name))
        # Outside of the list: a file in it would be part of it.
        temporary = f"{folder}.{os.getpid()}.tmp"
        with open(temporary, "w") as file:
            file.write(image.document())
        os.replace(temporary, path)

    def remove(self, target: Reference) -> None:
        shutil.rmtree(self._folder(target), ignore_errors=True)

    def _folder(self, target: Reference) -> str:
        return os.path.join(self._root, _safe(target))

    def _read(self, path: str) -> ImageManifest | None:
        try:
            with open(path) as file:
                return read(file.read())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise CommandError(f"{path}: {error}") from None


def _safe(reference: Reference) -> str:
    return reference.canonical().replace(":", "-").replace("/", "_")
