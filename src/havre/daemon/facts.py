"""What the engine tells of itself, of the configuration and what was found on the host. ``assemble`` comes in here."""

import os
from dataclasses import replace
from pathlib import Path

from havre.daemon import addresspools, containerdefaults, registrysettings
from havre.daemon.assemble_containers import Base
from havre.daemon.config import Config
from havre.engine.container.ocispec import find_init
from havre.engine.system import Facts, identity
from havre.kernel.nftables import Nftables, NftError
from havre.logs.drivers import ALL as LOG_DRIVERS
from havre.network.obstacles import obstacles, told
from havre.volume.plugins import PluginSettings
from havre.volume.plugins.drivers import PluginDrivers

_NETWORK_SCHEME = "tcp://"


def facts(base: Base, conmon: str, plugins: PluginDrivers) -> Facts:
    """What does not change while the daemon runs."""
    config, cgroups, runtimes, data_root = base.config, base.cgroups, base.runtimes, base.storage.layout.data_root
    return Facts(
        identity=identity(data_root / "engine-id"),
        data_root=data_root,
        cgroups=cgroups,
        support=base.support,
        storage_driver="overlay2",
        log_driver=config.log_driver,
        default_runtime=runtimes.default,
        runtimes={name: runtime.program for name, runtime in runtimes.known.items()},
        conmon=conmon,
        firewall="nftables" if config.iptables else "none",
        log_drivers=tuple(sorted(LOG_DRIVERS)),
        network_drivers=base.networks.kinds,
        volume_drivers=lambda: sorted(["local", *plugins.loaded()]),
        address_pools=tuple((str(pool.base), pool.size) for pool in addresspools.parse(config.default_address_pools)),
        registries=registrysettings.registries(config),
        live_restore=config.live_restore,
        init_binary=config.init_path or str(find_init() or ""),
        cgroup_driver=base.driver.name,
        private_cgroups=containerdefaults.cgroupns(config, cgroups.version) == "private",
        seccomp_profile=config.seccomp_profile,
        no_new_privileges=config.no_new_privileges,
        cdi_spec_dirs=config.cdi_spec_dirs,
        exposed=tuple(exposed(config)),
        firewall_warnings=_firewall_warnings if config.iptables else list,
    )


def _firewall_warnings() -> list[str]:
    nft = Nftables()
    try:
        return [told(chain) for chain in obstacles(nft)]
    except NftError as error:
        return [f"the host's rules cannot be read: {error}"]
    finally:
        nft.close()


def plugin_settings() -> PluginSettings:
    """Docker's directories and times. Tests put the directories below another one, and wait no longer than they say."""
    usual, seconds = PluginSettings(), os.environ.get("HAVRE_PLUGIN_TIMEOUT")
    root = os.environ.get("HAVRE_PLUGIN_ROOT")
    if root:
        specs = tuple(Path(root + str(path)) for path in usual.specs)
        usual = replace(usual, sockets=Path(root + str(usual.sockets)), specs=specs)
    if seconds:
        limit = float(seconds)
        usual = replace(usual, connect=limit, long=limit, short=limit, listing=limit)
    return usual


def exposed(config: Config) -> list[tuple[str, bool]]:
    """The addresses anybody on the network may use, and whether what they say there is encrypted."""
    if config.tlsverify:
        return []
    addresses = [address for address in config.addresses if address.startswith(_NETWORK_SCHEME)]
    return [(address.removeprefix(_NETWORK_SCHEME), config.tls) for address in addresses]
