"""What the pages show of manifests and configurations: read with suspicion, for nobody has checked them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What is larger is not looked into; there are configurations of megabytes, and a page of those helps nobody.
LARGEST = 1 << 20
_MOST = 1000
_LONGEST = 4000


@dataclass(frozen=True, slots=True)
class Described:
    """A descriptor in a manifest; ``platform`` is "" where none is said."""

    digest: str
    media_type: str
    size: int
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """A manifest, or an index: then ``manifests`` are what it holds."""

    config: Described | None
    layers: Sequence[Described]
    manifests: Sequence[Described]
    subject: Described | None
    annotations: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes of what the manifest itself names, but for other manifests."""
        return sum(layer.size for layer in self.layers) + (self.config.size if self.config else 0)


@dataclass(frozen=True, slots=True)
class Image:
    """What an image's configuration says. ``commands`` are those that made its layers, in their order."""

    platform: str
    created: str
    labels: Mapping[str, str]
    commands: Sequence[str]
    settings: Mapping[str, str]


def read_manifest(body: bytes) -> Contents:
    """What the manifest says, as far as it makes sense."""
    document = _object(_decoded(body))
    return Contents(
        _described(document.get("config")),
        [entry for entry in map(_described, _list(document.get("layers"))) if entry],
        [entry for entry in map(_described, _list(document.get("manifests"))) if entry],
        _described(document.get("subject")),
        _texts(document.get("annotations")),
    )


def read_image(body: bytes) -> Image:
    """What the configuration says, as far as it makes sense."""
    document = _object(_decoded(body))
    config = _object(document.get("config"))
    history = [_object(entry) for entry in _list(document.get("history"))]
    settings = {
        name: " ".join(map(_text, value)) if isinstance(value, list) else _text(value)
        for name, value in ((name, config.get(name)) for name in ("Entrypoint", "Cmd", "WorkingDir", "User"))
    }
    return Image(
        _platform(document),
        _text(document.get("created")),
        _texts(config.get("Labels")),
        [_text(entry.get("created_by")) for entry in history if entry.get("empty_layer") is not True],
        {name: value for name, value in settings.items() if value},
    )


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _described(value: Any) -> Described | None:
    entry = _object(value)
    digest, size = entry.get("digest"), entry.get("size")
    if not isinstance(digest, str) or not isinstance(size, int) or isinstance(size, bool):
        return None
    return Described(digest, _text(entry.get("mediaType")), size, _platform(_object(entry.get("platform"))))


def _platform(value: Mapping[str, Any]) -> str:
    return "/".join(word for word in (_text(value.get(key)) for key in ("os", "architecture", "variant")) if word)


def _texts(value: Any) -> Mapping[str, str]:
    return {_text(key): _text(text) for key, text in list(_object(value).items())[:_MOST]}


def _text(value: Any) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Sequence[Any]:
    return value[:_MOST] if isinstance(value, list) else []
