"""What an image is here, what is stored of it beside its content, and the statements that read and write that.

The image store comes in here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from havre.image import digest as digests
from havre.image.config import ImageConfig
from havre.image.manifest import Descriptor
from havre.image.names import Name
from havre.lib.references import Reference
from havre.store.db import Connection


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is stored of an image beside its configuration. Times in nanoseconds since 1970, 0: never."""

    layers: list[Descriptor]
    manifest: Descriptor | None = None
    parent: str | None = None
    added: int = 0
    tagged: int = 0


@dataclass(frozen=True)
class Image:
    """One image. ``id`` is the digest of its configuration; ``layers`` are its blobs, bottom first.

    ``repo_tags`` and ``repo_digests`` are its names in the short form, ``size`` the bytes of its files in all layers.
    """

    id: str
    config: ImageConfig
    record: Record
    names: tuple[Reference, ...] = ()
    size: int = 0
    layer_sizes: tuple[int, ...] = field(default=(), repr=False)

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        return tuple(self.record.layers)

    @property
    def manifest(self) -> Descriptor | None:
        """The manifest it was pulled or loaded by; None when there was none."""
        return self.record.manifest

    @cached_property
    def chain_ids(self) -> tuple[str, ...]:
        """The snapshots of its layers, bottom first."""
        return tuple(digests.chain_ids(self.config.diff_ids))

    @property
    def chain_id(self) -> str | None:
        """The snapshot a container stands on; None for an image without layers."""
        return self.chain_ids[-1] if self.chain_ids else None

    @property
    def repo_tags(self) -> tuple[str, ...]:
        return tuple(name.familiar() for name in self.names if name.tag is not None)

    @property
    def repo_digests(self) -> tuple[str, ...]:
        return tuple(name.familiar() for name in self.names if name.digest is not None)


class Stored(msgspec.Struct):
    """All that is stored: images, names, and the compressed forms of layers by their diff ids."""

    images: list[tuple[str, Record]]
    names: list[tuple[str, str, str | None]]
    compressed: dict[str, Descriptor]


def load(connection: Connection) -> Stored:
    images = [
        (row["id"], msgspec.json.decode(row["body"], type=Record)) for row in connection.execute("SELECT * FROM images")
    ]
    names = [(row["name"], row["image"], row["target"]) for row in connection.execute("SELECT * FROM image_names")]
    compressed = {
        row["diff_id"]: msgspec.json.decode(row["body"], type=Descriptor)
        for row in connection.execute("SELECT * FROM compressed_layers")
    }
    return Stored(images, names, compressed)


def put(connection: Connection, image_id: str, record: Record, names: Sequence[tuple[Reference, Name]]) -> None:
    connection.execute(
        "INSERT INTO images VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        (image_id, msgspec.json.encode(record)),
    )
    put_names(connection, names)


def put_names(connection: Connection, names: Sequence[tuple[Reference, Name]]) -> None:
    for name, at in names:
        connection.execute(
            "INSERT OR REPLACE INTO image_names (name, image, target) VALUES (?, ?, ?)",
            (name.canonical(), at.image, at.target),
        )


def drop_name(connection: Connection, name: Reference) -> None:
    connection.execute("DELETE FROM image_names WHERE name = ?", (name.canonical(),))


def drop_images(connection: Connection, image_ids: Sequence[str]) -> None:
    rows = [(image_id,) for image_id in image_ids]
    connection.executemany("DELETE FROM image_names WHERE image = ?", rows)
    connection.executemany("DELETE FROM images WHERE id = ?", rows)


def put_compressed(connection: Connection, diff_id: str, form: Descriptor) -> None:
    connection.execute("INSERT OR REPLACE INTO compressed_layers VALUES (?, ?)", (diff_id, msgspec.json.encode(form)))


def drop_compressed(connection: Connection, diff_ids: Sequence[str]) -> None:
    connection.executemany("DELETE FROM compressed_layers WHERE diff_id = ?", [(diff_id,) for diff_id in diff_ids])
