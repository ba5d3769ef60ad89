"""The builder: its parts and what it stands on. ``assemble`` comes in here."""

from aiohttp import ClientSession

from havre.builder.agents import Agents
from havre.builder.build import Builder
from havre.builder.buildkit.contextcopies import ContextCopies
from havre.builder.buildkit.door import BuildKit, Parts
from havre.builder.classic import ClassicBuilds
from havre.builder.direct import DirectBuilds
from havre.builder.doors import Builds
from havre.builder.downloads import Downloads
from havre.builder.eviction import Eviction
from havre.builder.execution import Executor
from havre.builder.keptcontexts import KeptContexts
from havre.builder.mounts import CacheMounts
from havre.builder.remote import RemoteFiles
from havre.builder.remotecontexts import RemoteContexts
from havre.builder.transfer import Carrier
from havre.builder.upkeep import Upkeep
from havre.builder.workspace import Workspace
from havre.daemon import buildersettings
from havre.daemon.assemble_remote import Remote
from havre.daemon.assemble_storage import Storage
from havre.daemon.config import Config
from havre.engine.events import Events
from havre.image.remote.files import WebFiles
from havre.lib.tasks import TaskOwner
from havre.lib.turns import Turns


async def builds(
    config: Config,
    storage: Storage,
    executor: Executor,
    remote: Remote,
    session: ClientSession,
    events: Events,
) -> Builds:
    """Everything that builds, after what a killed daemon left of builds has been cleared away."""
    builder = Builder(
        blobs=storage.blobs,
        images=storage.images,
        cache=storage.build_cache,
        workspace=Workspace(storage.layout.builds, storage.blobs, storage.layers, storage.snapshotter),
        executor=executor,
        caches=CacheMounts(storage.layout.cache_mounts),
        remote=RemoteFiles(Downloads(WebFiles(session), storage.layout.build_downloads)),
        turns=Turns(),
    )
    await builder.start()
    kept = KeptContexts(storage.layout.build_contexts)
    await kept.start()
    contexts = RemoteContexts(builder.remote)
    carrier = Carrier.of(storage.blobs, storage.images, remote.registries, storage.places, storage.sessions)
    copies = ContextCopies(storage.layout.build_copies)
    upkeep = Upkeep(
        storage.build_cache,
        storage.images,
        builder.caches,
        (kept, copies),
        lambda freed: events.publish("builder", "prune", "", {"reclaimed": str(freed)}),
    )
    eviction = Eviction(upkeep, buildersettings.limits(config.builder, config.data_root))
    eviction.start()
    return Builds(
        ClassicBuilds(builder, storage.images, remote.puller, contexts, carrier),
        DirectBuilds(builder, storage.images, remote.puller, kept, contexts, Agents(), carrier, TaskOwner("builds")),
        upkeep,
        BuildKit(Parts(builder, storage.images, remote.puller, remote.pusher, copies, contexts, upkeep, carrier)),
        carrier,
        eviction,
    )
