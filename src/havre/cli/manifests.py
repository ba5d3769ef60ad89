"""What ``havre manifest`` works on: manifests of single images, and lists made of them. Shapes and files are docker's,
so that both programs work on the same lists.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode

from havre.cli.errors import CommandError
from havre.cli.gojson import compact, indented
from havre.client.registry import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Registry, digest_of
from havre.errors import NotFound
from havre.lib.references import Reference, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from havre.cli.context import Context

_KEYS = {DOCKER_MANIFEST: "SchemaV2Manifest", OCI_MANIFEST: "OCIManifest"}
_PLATFORM = ("architecture", "os", "os.version", "os.features", "variant")


class ImageManifest:
    """The manifest of one image: its name, its descriptor (with the platform), and the document as it was sent."""

    def __init__(self, reference: Reference, descriptor: dict[str, Any], raw: bytes) -> None:
        self.reference = reference
        self.descriptor = descriptor
        self.raw = raw

    @property
    def platform(self) -> dict[str, Any]:
        found: dict[str, Any] = self.descriptor.setdefault("platform", {})
        return found

    def document(self) -> str:
        """As docker keeps it in its files, in one line."""
        described = {**self.descriptor, "platform": ordered(self.platform)}
        known = {"Ref": self.reference.canonical(), "Descriptor": described, "Raw": b64encode(self.raw).decode()}
        head = compact(json.dumps(known, ensure_ascii=False))[:-1]
        return f'{head},"{_KEYS[self.descriptor["mediaType"]]}":{compact(self.raw.decode())}}}'

    def blobs(self) -> list[str]:
        """Digests of what it consists of here: its configuration and its layers, but those kept elsewhere."""
        manifest = json.loads(self.raw)
        return [part["digest"] for part in (manifest["config"], *manifest["layers"]) if not part.get("urls")]


def read(text: str) -> ImageManifest:
    """What ``document`` wrote, or docker. Raises ValueError."""
    try:
        known = json.loads(text)
        raw = b64decode(known["Raw"])
        if known["Descriptor"]["mediaType"] not in _KEYS:
            raise ValueError(f"unsupported manifest type: {known['Descriptor']['mediaType']}")
        return ImageManifest(parse(known["Ref"]), known["Descriptor"], raw)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no manifest: {error}") from None


def named(text: str, doing: str = "") -> Reference:
    """The image ``text`` means, ``:latest`` where it does not say. Raises CommandError, after ``doing``."""
    try:
        return parse(text)
    except ValueError as error:
        raise CommandError(f"{doing}{error}") from None


def registry_of(ctx: Context, reference: Reference, insecure: bool) -> Registry:
    """The registry of ``reference``, with what the user has for it."""
    from havre.client.auth import credentials

    host = reference.domain.rpartition(":")[0] or reference.domain
    near = host == "localhost" or host.startswith(("127.", "[::1]"))
    return Registry(reference.domain, credentials(ctx.config, reference.domain), insecure or near)


def fetch(registry: Registry, reference: Reference) -> ImageManifest | list[ImageManifest]:
    """What a registry has under a name: one image, or those of a list. Raises CommandError when it has nothing, or
    nothing that makes sense.
    """
    try:
        return _fetch(registry, reference)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise CommandError(f"invalid manifest of {reference.canonical()}: {error!r}") from None


def _fetch(registry: Registry, reference: Reference) -> ImageManifest | list[ImageManifest]:
    try:
        raw, kind = registry.manifest(reference.path, reference.digest or reference.tag or "")
    except NotFound:
        raise CommandError(f"no such manifest: {reference.canonical()}") from None
    document = _object(raw)
    kind = document.get("mediaType") or kind
    if kind in _KEYS:
        return _image(registry, reference, raw, kind)
    if kind not in (OCI_INDEX, DOCKER_INDEX):
        raise CommandError(f"unsupported manifest type: {kind}")
    found = []
    for entry in document.get("manifests") or ():
        digest = reference.with_digest(entry["digest"]).digest
        one = Reference(reference.domain, reference.path, reference.tag, digest)
        raw, kind = registry.manifest(one.path, entry["digest"])
        kind = _object(raw).get("mediaType") or kind
        if kind not in _KEYS:
            raise CommandError(f"unsupported manifest type: {kind}")
        image = _image(registry, one, raw, kind)
        image.descriptor["platform"] = ordered(entry.get("platform") or {})
        found.append(image)
    return found


def single(found: ImageManifest | list[ImageManifest], reference: Reference) -> ImageManifest:
    if isinstance(found, list):
        raise CommandError(f"{reference.canonical()} is a manifest list")
    return found


def list_of(images: list[ImageManifest], target: Reference) -> tuple[str, str]:
    """The list to push as ``target``, as text, and its media type. Raises CommandError for what cannot be in it."""
    entries = []
    for image in images:
        if image.reference.domain != target.domain:
            raise CommandError(
                "cannot use source images from a different registry than the target image: "
                f"{image.reference.domain} != {target.domain}"
            )
        if not image.platform.get("architecture") or not image.platform.get("os"):
            raise CommandError(
                f"manifest {image.reference.canonical()} must have an OS and Architecture to be pushed to a registry"
            )
        entry = {key: image.descriptor[key] for key in ("mediaType", "size", "digest")}
        entries.append({**entry, "platform": ordered(image.platform)})
    modern = any(entry["mediaType"] == OCI_MANIFEST for entry in entries)
    kind = OCI_INDEX if modern else DOCKER_INDEX
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}, indent=3, ensure_ascii=False), kind


def show(image: ImageManifest, verbose: bool) -> str:
    return indented(image.document() if verbose else image.raw.decode()) + "\n"


def show_all(images: list[ImageManifest], target: Reference, verbose: bool) -> str:
    if verbose:
        return indented(f"[{','.join(image.document() for image in images)}]") + "\n"
    return list_of(images, target)[0] + "\n"


def ordered(platform: dict[str, Any]) -> dict[str, Any]:
    """A platform's fields in the order of Go's type; system and architecture stand there even if they are unknown."""
    return {key: platform.get(key, "") for key in _PLATFORM if platform.get(key) or key in ("architecture", "os")}


def _image(registry: Registry, reference: Reference, raw: bytes, kind: str) -> ImageManifest:
    digest = reference.with_digest(_object(raw)["config"]["digest"]).digest or ""
    config = _object(registry.blob(reference.path, digest))
    descriptor = {"mediaType": kind, "digest": digest_of(raw), "size": len(raw), "platform": ordered(config)}
    found = ImageManifest(reference, descriptor, raw)
    found.blobs()  # it is of a shape to be kept and pushed
    return found


def _object(data: bytes) -> dict[str, Any]:
    document = json.loads(data)
    if not isinstance(document, dict):
        raise TypeError("not a JSON object")
    return document
