"""The container half of the engine: its parts and how they know each other. ``assemble`` comes in here."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from havre.daemon import containerdefaults
from havre.daemon.assemble_storage import Storage
from havre.daemon.config import Config
from havre.engine.buildruns import BuildRuns
from havre.engine.container.connect import Connector
from havre.engine.container.create import Creator, Defaults
from havre.engine.container.etc import EtcFiles
from havre.engine.container.exec import Execs
from havre.engine.container.healthchecks import Healthchecks
from havre.engine.container.healthprobe import Prober
from havre.engine.container.hostmounts import HostMounts
from havre.engine.container.hub import Hubs
from havre.engine.container.inspect import Inspector
from havre.engine.container.joins import Joins
from havre.engine.container.lifecycle import Lifecycle
from havre.engine.container.links import Links
from havre.engine.container.listing import Listing
from havre.engine.container.logs import Logs
from havre.engine.container.ocisecurity import Confinement
from havre.engine.container.ocispec import SpecWriter, find_init
from havre.engine.container.plugs import Plugs
from havre.engine.container.recover import Recovery
from havre.engine.container.registry import Registry
from havre.engine.container.release import Releaser
from havre.engine.container.remove import Remover
from havre.engine.container.rootfs import make_init_layer
from havre.engine.container.rules import HostRules
from havre.engine.container.start import Starter
from havre.engine.container.supervise import Supervisor
from havre.engine.container.wait import Waits
from havre.engine.events import Events
from havre.engine.volumes import Volumes
from havre.errors import SystemFault
from havre.kernel.cgroupdriver import CgroupDriver
from havre.kernel.cgrouplimits import Support
from havre.kernel.cgroups import Cgroups
from havre.kernel.realtime import RealtimeShare
from havre.network.networks import Networks
from havre.runtime import capabilities
from havre.runtime.cdi import Specifications
from havre.runtime.conmon import Conmon
from havre.runtime.runtimes.probe import Runtimes


@dataclass(frozen=True, slots=True)
class Base:
    """What all of the container half stands on, each thing made once.

    ``support`` is what the kernel can limit, ``driver`` where control groups lie.
    """

    config: Config
    storage: Storage
    cgroups: Cgroups
    support: Support
    driver: CgroupDriver
    events: Events
    networks: Networks
    registry: Registry
    volumes: Volumes
    runtimes: Runtimes
    host_mounts: HostMounts
    links: Links


@dataclass(frozen=True, slots=True)
class Containers:
    """The container half of the engine, with the parts that live in the background."""

    registry: Registry
    hubs: Hubs
    supervisor: Supervisor
    health: Healthchecks
    lifecycle: Lifecycle
    remover: Remover
    connector: Connector
    execs: Execs
    logs: Logs
    recovery: Recovery
    build_runs: BuildRuns


def containers(base: Base) -> Containers:
    """Everything that acts on containers that exist."""
    layout, snapshotter = base.storage.layout, base.storage.snapshotter
    registry, networks, runtimes, events = base.registry, base.networks, base.runtimes, base.events
    config, cgroups, host_mounts, links = base.config, base.cgroups, base.host_mounts, base.links
    make_init_layer(layout.init_layer)
    hubs, waits = Hubs(), Waits()
    logs = Logs(registry, layout, waits)
    specs, conmon = _specs(base), Conmon(conmon_program())
    plugs, joins = Plugs(networks, events), Joins(registry, host_mounts, layout)
    etc = EtcFiles(layout, config.dns, config.dns_search, config.dns_opts, networks.names.address)
    releaser = Releaser(plugs, snapshotter, runtimes, host_mounts, layout)
    execs = Execs(registry, runtimes, conmon, specs, hubs, events, layout)
    health = Healthchecks(registry, Prober(execs, hubs), events)
    supervisor = Supervisor(registry, releaser, hubs, logs, waits, events, cgroups, layout, health, execs)
    starter = Starter(
        registry=registry,
        snapshotter=snapshotter,
        networks=networks,
        runtimes=runtimes,
        conmon=conmon,
        specs=specs,
        plugs=plugs,
        etc=etc,
        realtime=_realtime(config, cgroups),
        host_mounts=host_mounts,
        joins=joins,
        links=links,
        hubs=hubs,
        logs=logs,
        releaser=releaser,
        events=events,
        layout=layout,
        watch=supervisor.watch,
    )
    connector = Connector(registry, networks, plugs, etc)
    lifecycle = Lifecycle(registry, starter, supervisor, health, waits, events, cgroups, layout)
    forget = (execs.forget, supervisor.forget, logs.forget)
    around = (base.storage.images, links, base.volumes, hubs, waits, events, layout)
    remover = Remover(registry, lifecycle, snapshotter, host_mounts, *around, forget)
    # The supervisor acts through verbs that need it themselves: this knot is tied last.
    supervisor.restart, supervisor.remove = lifecycle.start_again, remover.remove_ended
    health.restart = lifecycle.restart
    below = (networks, etc, snapshotter, runtimes, cgroups, layout, host_mounts, base.volumes)
    recovery = Recovery(registry, releaser, supervisor, lifecycle, remover, *below)
    cgroupns = containerdefaults.cgroupns(config, cgroups.version)
    runs = BuildRuns(specs, _rules(base), etc, networks, plugs, releaser, joins, runtimes, cgroups, layout, cgroupns)
    return Containers(registry, hubs, supervisor, health, lifecycle, remover, connector, execs, logs, recovery, runs)


def _specs(base: Base) -> SpecWriter:
    config = base.config
    confinement = Confinement(containerdefaults.security(config), Specifications(config.cdi_spec_dirs))
    init = Path(config.init_path) if config.init_path else find_init()
    return SpecWriter(base.driver, init, confinement, base.links)


def listing(base: Base, parts: Containers) -> Listing:
    """What looks at containers."""
    layout, snapshotter = base.storage.layout, base.storage.snapshotter
    inspector = Inspector(layout, base.links, snapshotter, parts.execs.ids_of, parts.health.of)
    return Listing(base.registry, base.storage.images, snapshotter, inspector, parts.health.of)


def _realtime(config: Config, cgroups: Cgroups) -> RealtimeShare:
    share = RealtimeShare(cgroups, config.cpu_rt_period, config.cpu_rt_runtime)
    share.check()
    return share


def creator(base: Base) -> Creator:
    """What makes containers."""
    config, storage = base.config, base.storage
    return Creator(
        registry=base.registry,
        images=storage.images,
        snapshotter=storage.snapshotter,
        volumes=base.volumes,
        runtimes=base.runtimes,
        layout=storage.layout,
        host_mounts=base.host_mounts,
        events=base.events,
        rules=_rules(base),
        network=base.networks.find,
        defaults=Defaults(
            config.log_driver,
            dict(config.log_opts),
            containerdefaults.cgroupns(config, base.cgroups.version),
            config.init,
            ipc=config.default_ipc_mode or "private",
            cgroup_version=base.cgroups.version,
        ),
    )


def _rules(base: Base) -> HostRules:
    return HostRules(
        kernel=base.support,
        driver=base.driver,
        held=capabilities.bounding(),
        shm_size=containerdefaults.shm_size(base.config),
        ulimits=containerdefaults.ulimits(base.config),
    )


def conmon_program() -> str:
    """The host's conmon; ``SystemFault`` when there is none."""
    path = shutil.which("conmon") or shutil.which("conmon", path="/usr/bin:/usr/local/bin:/usr/libexec/podman")
    if path is None:
        raise SystemFault("conmon is not installed: havre needs it to hold containers")
    return path
