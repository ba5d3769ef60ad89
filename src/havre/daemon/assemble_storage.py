"""What is on disk: opened, locked and cleared of what a killed daemon left. ``assemble`` comes in here."""

import shutil
from dataclasses import dataclass

from havre.builder.cache import BuildCache
from havre.daemon import registrysettings
from havre.daemon.config import Config
from havre.image.blobs import BlobStore
from havre.image.layers import LayerStore
from havre.image.remote.places import BlobPlaces
from havre.image.remote.sessions import UploadSessions
from havre.image.snapshots.overlay import OverlaySnapshotter
from havre.image.store import ImageStore
from havre.store import lock
from havre.store.db import Database
from havre.store.layout import Layout
from havre.store.schema import ALL as SCHEMAS


@dataclass(frozen=True, slots=True)
class Storage:
    """What is on disk: the database and the image room's stores."""

    layout: Layout
    database: Database
    blobs: BlobStore
    snapshotter: OverlaySnapshotter
    layers: LayerStore
    images: ImageStore
    places: BlobPlaces
    sessions: UploadSessions
    build_cache: BuildCache


async def storage(config: Config) -> Storage:
    """Open the stores of ``config``'s data root; ``HavreError`` when another daemon holds it."""
    layout = Layout(config.data_root, config.exec_root)
    layout.prepare()
    # Held until the process ends: the kernel drops them then, also after a kill.
    lock.acquire(layout.lock, "data root")
    lock.acquire(layout.exec_lock, "exec root")
    shutil.rmtree(layout.tmp, ignore_errors=True)
    layout.tmp.mkdir(mode=0o700)
    database = Database.open(layout.database, SCHEMAS, layout.reserve)
    blobs = BlobStore(layout, registrysettings.partial_limits(config))
    snapshotter = OverlaySnapshotter(database, layout)
    await snapshotter.start()
    layers = LayerStore(blobs, snapshotter)
    await layers.start()
    images = ImageStore(database, blobs, layers, snapshotter)
    # Before the images clear away what nobody needs.
    cache = BuildCache(database, blobs, layers)
    await cache.start()
    images.content.keepers.append(cache)
    await images.start()
    places = BlobPlaces(database)
    await places.start(blobs.exists)
    sessions = UploadSessions(database)
    await sessions.start()
    return Storage(layout, database, blobs, snapshotter, layers, images, places, sessions, cache)
