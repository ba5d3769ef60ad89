"""What `docker` means by its verbs: the only room that combines images, networks, volumes, logs and the runtime.

The REST door comes in through ``Engine``, which holds the verbs by group; ``daemon.assemble`` builds it.
"""

from dataclasses import dataclass

from havre.engine.container.attach import Attacher
from havre.engine.container.changes import Changes
from havre.engine.container.commit import Commits
from havre.engine.container.copy import Copier
from havre.engine.container.create import Creator
from havre.engine.container.exec import Execs
from havre.engine.container.export import Exporter
from havre.engine.container.lifecycle import Lifecycle
from havre.engine.container.listing import Listing
from havre.engine.container.logs import Logs
from havre.engine.container.publish import Publisher
from havre.engine.container.remove import Remover
from havre.engine.container.stats import Stats
from havre.engine.container.top import Processes
from havre.engine.container.update import Updater
from havre.engine.events import Events
from havre.engine.fsck import Fsck
from havre.engine.imagefiles import ImageFiles
from havre.engine.images import Images
from havre.engine.networks import NetworkVerbs
from havre.engine.portreasons import PortReasons
from havre.engine.searching import Searching
from havre.engine.system import System
from havre.engine.volumecopies import VolumeCopies
from havre.engine.volumes import Volumes


@dataclass(frozen=True, slots=True)
class Engine:
    """Docker's verbs, by group."""

    create: Creator
    lifecycle: Lifecycle
    update: Updater
    removal: Remover
    processes: Processes
    stats: Stats
    attach: Attacher
    execs: Execs
    copy: Copier
    changes: Changes
    export: Exporter
    commits: Commits
    logs: Logs
    listing: Listing
    images: Images
    image_files: ImageFiles
    searching: Searching
    networks: NetworkVerbs
    port_reasons: PortReasons
    publish: Publisher
    volumes: Volumes
    volume_copies: VolumeCopies
    events: Events
    system: System
    fsck: Fsck
