"""The composition root: the one place where everything is built and handed to what needs it.

``main`` comes in here. Read ``assemble`` from top to bottom: its parts stand in
``assemble_storage`` and ``assemble_containers``; nothing is hidden elsewhere.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import ClientSession

from havre.builder.doors import Builds
from havre.daemon import (
    addresspools,
    assemble_builds,
    assemble_containers,
    assemble_remote,
    assemble_storage,
    networkopts,
    registrysettings,
)
from havre.daemon.assemble_containers import Base, Containers
from havre.daemon.assemble_remote import Remote
from havre.daemon.assemble_storage import Storage
from havre.daemon.config import Config
from havre.daemon.facts import facts as engine_facts
from havre.daemon.facts import plugin_settings
from havre.engine import Engine
from havre.engine.container.attach import Attacher
from havre.engine.container.changes import Changes
from havre.engine.container.commit import Commits
from havre.engine.container.copy import Copier
from havre.engine.container.export import Exporter
from havre.engine.container.freezing import Freezer
from havre.engine.container.hostmounts import HostMounts
from havre.engine.container.links import Links
from havre.engine.container.publish import Publisher
from havre.engine.container.registry import Registry
from havre.engine.container.stats import Stats
from havre.engine.container.top import Processes
from havre.engine.container.update import Updater
from havre.engine.container.usage import Usage
from havre.engine.container.viewing import Views
from havre.engine.eventhistory import EventHistory
from havre.engine.events import Events
from havre.engine.fsck import Fsck
from havre.engine.imagefiles import ImageFiles
from havre.engine.images import Images
from havre.engine.networks import NetworkVerbs
from havre.engine.portreasons import PortReasons
from havre.engine.searching import Searching
from havre.engine.system import System, identity
from havre.engine.volumebackings import Backings
from havre.engine.volumecopies import VolumeCopies
from havre.engine.volumemounts import VolumeMounts
from havre.engine.volumes import Volumes
from havre.image.check import ImageCheck
from havre.image.committer import Committer
from havre.image.hello import Hello
from havre.image.importer import Importer
from havre.image.load import Loader
from havre.image.remote.transport import open_session
from havre.image.save import Saver
from havre.kernel import cgroupdriver, cgrouplimits, hostinfo
from havre.kernel.cgroups import Cgroups
from havre.network.dns.service import Names
from havre.network.networks import Networks
from havre.network.settings import NetworkSettings
from havre.runtime.runtimes.probe import probe
from havre.volume import VolumeDriver
from havre.volume.drivers import all_drivers
from havre.volume.drivers.local import LocalDriver
from havre.volume.plugins.drivers import PluginDrivers
from havre.volume.store import VolumeStore

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Daemon:
    """The running engine. ``start`` brings records and host together, ``stop`` leaves containers as configured."""

    engine: Engine
    config: Config
    storage: Storage
    networks: Networks
    containers: Containers
    views: Views
    remote: Remote
    history: EventHistory
    session: ClientSession
    builds: Builds

    async def start(self) -> None:
        """Begin serving: after this the door may open."""
        await self.containers.recovery.restart()

    def reload(self, config: Config) -> None:
        """Take over from ``config`` what may change meanwhile: labels, the log level, registries."""
        registries = registrysettings.registries(config)
        self.remote.registries.reload(registries)
        self.engine.system.reload(config.labels, config.level == "debug", registries)

    async def stop(self) -> None:
        """End. With ``live-restore`` (the default) containers run on; else they are stopped first."""
        if not self.config.live_restore:
            await self._stop_containers()
        await self.builds.close()
        await self.engine.stats.close()
        await self.views.close()
        await self.remote.puller.close()
        await self.remote.pusher.close()
        await self.containers.logs.close()
        await self.containers.health.close()
        await self.containers.supervisor.close()
        await self.containers.execs.close()
        await self.containers.hubs.close()
        await self.networks.stop()
        await self.engine.volume_copies.close()
        await self.engine.volumes.close()
        await self.storage.layers.close()
        await self.storage.snapshotter.close()
        await self.session.close()
        await self.history.close()
        self.storage.database.close()

    async def _stop_containers(self) -> None:
        timeout = self.config.shutdown_timeout
        running = [one for one in self.containers.registry if one.state.running]
        stops = [self.containers.lifecycle.end_for_shutdown(one, timeout) for one in running]
        for one, result in zip(running, await asyncio.gather(*stops, return_exceptions=True), strict=True):
            if isinstance(result, Exception):
                log.error("container %s did not stop: %s", one.short_id, result)


async def assemble(config: Config) -> Daemon:
    """Build everything for ``config``, reconciled with what the last daemon left.

    Raises ``HavreError`` when it cannot be.
    """
    storage = await assemble_storage.storage(config)
    history = EventHistory(storage.database)
    events = Events(history)
    networks = _networks(config, storage)
    defaults = networkopts.parse(config.default_network_opts)
    registry = Registry(storage.database)
    registry.load()
    usage = Usage(registry)
    volumes, plugins, kept = _volumes(storage, usage, events)
    await volumes.start()
    await networks.start()
    base = _base(config, storage, Cgroups.detect(), events, networks, registry, volumes)
    containers = assemble_containers.containers(base)
    # Before the recovery: the log of a container that has ended meanwhile is written to its end first.
    containers.logs.start()
    await containers.recovery.run()
    session = open_session()
    remote = assemble_remote.remote(config, storage, session)
    images = _image_verbs(storage, remote, usage, events)
    builds = await assemble_builds.builds(config, storage, containers.build_runs, remote, session, events)
    listing = assemble_containers.listing(base, containers)
    facts = engine_facts(base, assemble_containers.conmon_program(), plugins)
    views = Views(registry, storage.snapshotter, base.host_mounts, storage.layout)
    freezer = Freezer(registry, base.cgroups, containers.lifecycle.health, events)
    engine = Engine(
        create=assemble_containers.creator(base),
        lifecycle=containers.lifecycle,
        update=Updater(registry, base.runtimes, base.cgroups, base.support, events),
        removal=containers.remover,
        processes=Processes(registry, base.cgroups, events),
        stats=Stats(registry, base.cgroups, hostinfo.host().memory),
        attach=Attacher(registry, containers.hubs, containers.logs, events),
        execs=containers.execs,
        copy=Copier(views, events),
        changes=Changes(registry, storage.snapshotter),
        export=Exporter(registry, views, events),
        commits=_commits(storage, registry, freezer, events),
        logs=containers.logs,
        listing=listing,
        images=images,
        image_files=ImageFiles(storage.images, storage.snapshotter),
        searching=Searching(remote.search),
        networks=NetworkVerbs(networks, usage.container_name, containers.connector, events, defaults),
        port_reasons=PortReasons(networks, usage.container_name),
        publish=Publisher(registry, networks),
        volumes=volumes,
        volume_copies=VolumeCopies(volumes, LocalDriver(storage.layout.volumes), volumes.mounts, usage, freezer),
        events=events,
        system=System(
            *(facts, events, usage.states, listing, images, volumes, remote.login.check_auth, builds.upkeep.usage),
            *(config.labels, config.debug),
        ),
        fsck=_fsck(storage, registry, *kept),
    )
    return Daemon(engine, config, storage, networks, containers, views, remote, history, session, builds)


def _base(
    config: Config,
    storage: Storage,
    cgroups: Cgroups,
    events: Events,
    networks: Networks,
    registry: Registry,
    volumes: Volumes,
) -> Base:
    layout = storage.layout
    driver = cgroupdriver.choose(config.exec_opts, config.cgroup_parent)
    arguments = ("--systemd-cgroup",) if driver.systemd else ()
    runtime = config.default_runtime or None
    return Base(
        config=config,
        storage=storage,
        cgroups=cgroups,
        support=cgrouplimits.detect(cgroups),
        driver=driver,
        events=events,
        networks=networks,
        registry=registry,
        volumes=volumes,
        runtimes=probe(cgroups, layout.runtimes, config.runtimes, runtime, layout.tmp, arguments),
        host_mounts=HostMounts(storage.snapshotter, layout, volumes.mounts),
        links=Links(registry, layout),
    )


def _image_verbs(storage: Storage, remote: Remote, usage: Usage, events: Events) -> Images:
    loader = Loader(storage.blobs, storage.layers, storage.images)
    importer = Importer(storage.blobs, storage.layers, storage.images)
    hello = Hello(storage.images, importer)
    saver = Saver(storage.blobs)
    stores = (storage.images, storage.blobs, storage.snapshotter)
    return Images(
        *stores, loader, saver, importer, hello, remote.puller, remote.pusher, remote.registries, usage, events
    )


def _networks(config: Config, storage: Storage) -> Networks:
    settings = _network_settings(config, identity(storage.layout.data_root / "engine-id"))
    names = Names(storage.layout.exec_root, lead=config.iptables)
    networks = Networks(storage.database, settings, storage.layout, names=names)
    names.look_at(networks)
    return networks


def _network_settings(config: Config, seed: str) -> NetworkSettings:
    return NetworkSettings(
        bridge_name=config.bridge,
        bip=ipaddress.IPv4Interface(config.bip) if config.bip else None,
        firewall=config.iptables,
        firewall6=config.ip6tables,
        honest=config.firewall == "honest",
        icc=config.icc,
        pools=addresspools.parse(config.default_address_pools),
        mtu=config.mtu or 1500,
        host_ip=config.ip or "0.0.0.0",
        seed=seed,
    )


def _commits(storage: Storage, registry: Registry, freezer: Freezer, events: Events) -> Commits:
    committer = Committer(storage.blobs, storage.layers, storage.images)
    return Commits(registry, storage.images, storage.snapshotter, committer, freezer, events)


# The records of volumes, and who keeps their files.
_Kept = tuple[VolumeStore, Mapping[str, VolumeDriver]]


def _fsck(storage: Storage, registry: Registry, store: VolumeStore, drivers: Mapping[str, VolumeDriver]) -> Fsck:
    images = ImageCheck(storage.blobs, storage.images, storage.snapshotter)
    return Fsck(images, registry, store, drivers, storage.snapshotter, storage.layout)


def _volumes(storage: Storage, usage: Usage, events: Events) -> tuple[Volumes, PluginDrivers, _Kept]:
    store, drivers = VolumeStore(storage.database), all_drivers(storage.layout.volumes)
    plugins = PluginDrivers(plugin_settings())
    mounts = VolumeMounts(store, drivers, plugins, storage.layout)
    return Volumes(store, drivers, Backings(drivers, plugins), mounts, usage, events), plugins, (store, drivers)
