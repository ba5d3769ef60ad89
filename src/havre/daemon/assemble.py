"""The composition root: the one place where everything is built and handed to what needs it.

``main`` comes in here. Read ``assemble`` from top to bottom: nothing is hidden elsewhere.
"""

import asyncio
import ipaddress
import logging
import os
import shutil
from dataclasses import dataclass

from aiohttp import ClientSession

from havre.daemon.config import Config
from havre.engine import Engine
from havre.engine.container.attach import Attacher
from havre.engine.container.copy import Copier
from havre.engine.container.create import Creator, Defaults
from havre.engine.container.etc import EtcFiles
from havre.engine.container.exec import Execs
from havre.engine.container.hub import Hubs
from havre.engine.container.inspect import Inspector
from havre.engine.container.lifecycle import Lifecycle
from havre.engine.container.listing import Listing
from havre.engine.container.logs import Logs
from havre.engine.container.ocispec import SpecWriter, find_init
from havre.engine.container.recover import Recovery
from havre.engine.container.registry import Registry
from havre.engine.container.release import Releaser
from havre.engine.container.remove import Remover
from havre.engine.container.start import Starter
from havre.engine.container.supervise import Supervisor
from havre.engine.container.top import Processes
from havre.engine.container.usage import Usage
from havre.engine.container.wait import Waits
from havre.engine.events import Events
from havre.engine.images import Images
from havre.engine.networks import NetworkVerbs
from havre.engine.system import Facts, System, identity
from havre.engine.volumes import Volumes
from havre.errors import InvalidParameter, SystemFault
from havre.image.blobs import BlobStore
from havre.image.hello import Hello
from havre.image.importer import Importer
from havre.image.layers import LayerStore
from havre.image.load import Loader
from havre.image.remote.config import RegistryConfig
from havre.image.remote.login import Login
from havre.image.remote.proxies import Proxies
from havre.image.remote.pull import Puller
from havre.image.remote.repository import Registries
from havre.image.remote.tokens import Tokens
from havre.image.remote.transport import Transport, open_session
from havre.image.save import Saver
from havre.image.snapshots.overlay import OverlaySnapshotter
from havre.image.store import ImageStore
from havre.kernel.cgroups import Cgroups
from havre.logs.drivers import ALL as LOG_DRIVERS
from havre.network.networks import Networks
from havre.network.settings import NetworkSettings
from havre.runtime.conmon import Conmon
from havre.runtime.runtimes.probe import Runtimes, probe
from havre.store import lock
from havre.store.db import Database
from havre.store.layout import Layout
from havre.store.schema import ALL as SCHEMAS
from havre.volume.drivers.local import LocalDriver
from havre.volume.store import VolumeStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Storage:
    """What is on disk: the database and the image room's stores."""

    layout: Layout
    database: Database
    blobs: BlobStore
    snapshotter: OverlaySnapshotter
    layers: LayerStore
    images: ImageStore


@dataclass(frozen=True, slots=True)
class Containers:
    """The container half of the engine, with the parts that live in the background."""

    registry: Registry
    hubs: Hubs
    supervisor: Supervisor
    lifecycle: Lifecycle
    remover: Remover
    execs: Execs
    logs: Logs
    recovery: Recovery


@dataclass(slots=True)
class Daemon:
    """The running engine. ``start`` brings records and host together, ``stop`` leaves containers as configured."""

    engine: Engine
    config: Config
    storage: Storage
    networks: Networks
    containers: Containers
    puller: Puller
    session: ClientSession

    async def start(self) -> None:
        """Begin serving: after this the door may open."""
        self.containers.logs.start()
        await self.containers.recovery.restart()

    async def stop(self) -> None:
        """End. With ``live-restore`` (the default) containers run on; else they are stopped first."""
        if not self.config.live_restore:
            await self._stop_containers()
        await self.engine.copy.close()
        await self.puller.close()
        await self.containers.logs.close()
        await self.containers.supervisor.close()
        await self.containers.execs.close()
        await self.containers.hubs.close()
        await self.networks.stop()
        await self.engine.volumes.close()
        await self.storage.layers.close()
        await self.storage.snapshotter.close()
        await self.session.close()
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
    if config.log_driver not in LOG_DRIVERS:
        raise InvalidParameter(f"unknown log driver {config.log_driver!r}: havre has {', '.join(sorted(LOG_DRIVERS))}")
    LOG_DRIVERS[config.log_driver].check(config.log_opts)
    settings = RegistryConfig(insecure=config.insecure_registries, mirrors=config.registry_mirrors)
    storage = await _storage(config)
    cgroups = Cgroups.detect()
    events = Events()
    networks = Networks(storage.database, _network_settings(config), storage.layout)
    registry = Registry(storage.database)
    registry.load()
    usage = Usage(registry)
    volumes = Volumes(VolumeStore(storage.database), _volume_drivers(storage.layout), usage, events)
    await volumes.start()
    await networks.start()
    layout = storage.layout
    state = layout.exec_root / "runtime"
    runtimes = probe(cgroups, state, config.runtimes, config.default_runtime or None, layout.tmp)
    containers = _containers(config, storage, cgroups, events, networks, registry, volumes, runtimes)
    await containers.recovery.run()
    session = open_session()
    puller, login = _remote(settings, storage, session)
    images = _image_verbs(storage, puller, usage, events)
    inspector = Inspector(storage.layout, "overlay2", containers.execs.ids_of)
    listing = Listing(registry, storage.images, storage.snapshotter, inspector)
    facts = _facts(config, storage.layout, cgroups, runtimes, networks)
    engine = Engine(
        create=_creator(config, storage, cgroups, events, registry, volumes, runtimes),
        lifecycle=containers.lifecycle,
        removal=containers.remover,
        processes=Processes(registry, cgroups, events),
        attach=Attacher(registry, containers.hubs, containers.logs, events),
        execs=containers.execs,
        copy=Copier(registry, storage.snapshotter, storage.layout, events),
        logs=containers.logs,
        listing=listing,
        images=images,
        networks=NetworkVerbs(networks, usage.container_name),
        volumes=volumes,
        events=events,
        system=System(
            facts, events, usage.states, listing, images, volumes, login.check_auth, config.labels, config.debug
        ),
    )
    return Daemon(engine, config, storage, networks, containers, puller, session)


def _containers(
    config: Config,
    storage: Storage,
    cgroups: Cgroups,
    events: Events,
    networks: Networks,
    registry: Registry,
    volumes: Volumes,
    runtimes: Runtimes,
) -> Containers:
    layout, snapshotter = storage.layout, storage.snapshotter
    hubs, waits = Hubs(), Waits()
    specs = SpecWriter(cgroups, find_init())
    conmon = Conmon(_conmon())
    releaser = Releaser(networks, snapshotter, runtimes, layout, events)
    supervisor = Supervisor(registry, releaser, hubs, waits, events, cgroups, layout)
    etc = EtcFiles(layout, config.dns, config.dns_search, config.dns_opts)
    starter = Starter(
        registry=registry,
        snapshotter=snapshotter,
        networks=networks,
        runtimes=runtimes,
        conmon=conmon,
        specs=specs,
        etc=etc,
        hubs=hubs,
        releaser=releaser,
        events=events,
        layout=layout,
        watch=supervisor.watch,
    )
    lifecycle = Lifecycle(registry, starter, supervisor, waits, events, cgroups, layout)
    execs = Execs(registry, runtimes, conmon, specs, hubs, events, layout)
    forget = (execs.forget, supervisor.forget)
    remover = Remover(registry, lifecycle, snapshotter, storage.images, volumes, hubs, waits, events, layout, forget)
    # The supervisor acts through verbs that need it themselves: this knot is tied last.
    supervisor.restart, supervisor.remove = lifecycle.start_again, remover.remove_ended
    recovery = Recovery(
        registry=registry,
        releaser=releaser,
        supervisor=supervisor,
        lifecycle=lifecycle,
        remover=remover,
        networks=networks,
        snapshotter=snapshotter,
        runtimes=runtimes,
        cgroups=cgroups,
        layout=layout,
        volumes=volumes,
    )
    logs = Logs(registry, layout, waits)
    return Containers(registry, hubs, supervisor, lifecycle, remover, execs, logs, recovery)


def _creator(
    config: Config,
    storage: Storage,
    cgroups: Cgroups,
    events: Events,
    registry: Registry,
    volumes: Volumes,
    runtimes: Runtimes,
) -> Creator:
    cgroupns = "private" if cgroups.version == 2 else "host"
    return Creator(
        registry=registry,
        images=storage.images,
        snapshotter=storage.snapshotter,
        volumes=volumes,
        runtimes=runtimes,
        layout=storage.layout,
        events=events,
        defaults=Defaults(config.log_driver, dict(config.log_opts), cgroupns),
    )


async def _storage(config: Config) -> Storage:
    layout = Layout(config.data_root, config.exec_root)
    layout.prepare()
    # Held until the process ends: the kernel drops them then, also after a kill.
    lock.acquire(layout.lock, "data root")
    lock.acquire(layout.exec_lock, "exec root")
    shutil.rmtree(layout.tmp, ignore_errors=True)
    layout.tmp.mkdir(mode=0o700)
    database = Database.open(layout.database, SCHEMAS)
    blobs = BlobStore(layout)
    snapshotter = OverlaySnapshotter(database, layout)
    await snapshotter.start()
    layers = LayerStore(blobs, snapshotter)
    await layers.start()
    images = ImageStore(database, blobs, layers, snapshotter)
    await images.start()
    return Storage(layout, database, blobs, snapshotter, layers, images)


def _facts(config: Config, layout: Layout, cgroups: Cgroups, runtimes: Runtimes, networks: Networks) -> Facts:
    init = find_init()
    return Facts(
        identity=identity(layout.data_root / "engine-id"),
        data_root=layout.data_root,
        cgroups=cgroups,
        storage_driver="overlay2",
        log_driver=config.log_driver,
        default_runtime=runtimes.default,
        runtimes={name: runtime.program for name, runtime in runtimes.known.items()},
        conmon=_conmon(),
        firewall="nftables" if config.iptables else "none",
        log_drivers=tuple(sorted(LOG_DRIVERS)),
        network_drivers=tuple(sorted({network.driver for network in networks.all()})),
        volume_drivers=("local",),
        insecure_registries=config.insecure_registries,
        registry_mirrors=config.registry_mirrors,
        live_restore=config.live_restore,
        init_binary=str(init or ""),
    )


def _image_verbs(storage: Storage, puller: Puller, usage: Usage, events: Events) -> Images:
    loader = Loader(storage.blobs, storage.layers, storage.images)
    importer = Importer(storage.blobs, storage.layers, storage.images)
    hello = Hello(storage.images, importer)
    saver = Saver(storage.blobs)
    return Images(storage.images, storage.snapshotter, loader, saver, importer, hello, puller, usage, events)


def _remote(settings: RegistryConfig, storage: Storage, session: ClientSession) -> tuple[Puller, Login]:
    transport = Transport(session, Proxies.from_environ(os.environ), settings.certificates)
    tokens = Tokens(transport, settings)
    registries = Registries(transport, settings, tokens)
    puller = Puller(storage.blobs, storage.images, storage.layers, registries)
    return puller, Login(transport, registries, tokens)


def _network_settings(config: Config) -> NetworkSettings:
    return NetworkSettings(
        bridge_name=config.bridge,
        bip=ipaddress.IPv4Interface(config.bip) if config.bip else None,
        firewall=config.iptables,
        mtu=config.mtu or 1500,
        host_ip=config.ip or "0.0.0.0",
        dns=config.dns,
        dns_search=config.dns_search,
        dns_options=config.dns_opts,
    )


def _volume_drivers(layout: Layout) -> dict[str, LocalDriver]:
    driver = LocalDriver(layout.volumes)
    return {driver.name: driver}


def _conmon() -> str:
    path = shutil.which("conmon") or shutil.which("conmon", path="/usr/bin:/usr/local/bin:/usr/libexec/podman")
    if path is None:
        raise SystemFault("conmon is not installed: havre needs it to hold containers")
    return path
