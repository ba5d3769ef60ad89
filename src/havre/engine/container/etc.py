"""The three files of ``/etc`` that a container gets from the engine: hosts, hostname, resolv.conf.

They lie in the container's directory and are bind-mounted, so they must be there before the runtime makes the
container, and are completed in place (the mount holds the inode) once its address is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from havre.engine.container.links import Link
from havre.engine.container.record import Container
from havre.errors import InvalidParameter
from havre.network.files import hosts_file, resolv_conf, resolv_source
from havre.network.model import Endpoint
from havre.store.layout import Layout


@dataclass(frozen=True, slots=True)
class EtcFiles:
    """Writes the files. ``dns``, ``dns_search``, ``dns_options`` are the daemon's defaults."""

    layout: Layout
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()

    def prepare(self, container: Container) -> None:
        """Make the files; only hosts lacks the address yet."""
        directory = self.layout.container(container.id)
        (directory / "hostname").write_text(f"{container.hostname}\n")
        (directory / "hosts").touch()
        host = container.host
        text = _read_host_file(Path("/etc/resolv.conf"))
        dns = host.dns or self.dns
        search, options = host.dns_search or self.dns_search, host.dns_options or self.dns_options
        own = host.network_mode != "host"
        if own:
            text = _read_host_file(resolv_source(text))
        (directory / "resolv.conf").write_text(resolv_conf(text, dns, search, options, own_network=own))

    def complete(self, container: Container, endpoint: Endpoint | None, links: Sequence[Link] = ()) -> None:
        """Write hosts, with those the container is linked to."""
        host = container.host
        if host.network_mode == "host" and not host.extra_hosts:
            text = _read_host_file(Path("/etc/hosts"))
        else:
            extra = [_extra(entry, endpoint) for entry in host.extra_hosts or ()]
            extra += [(" ".join(link.names), link.address) for link in links]
            text = hosts_file(container.hostname, endpoint, extra, container.config.domainname)
        (self.layout.container(container.id) / "hosts").write_text(text)


def _extra(entry: str, endpoint: Endpoint | None) -> tuple[str, str]:
    """``name:address`` of ``--add-host`` as (name, address); ``host-gateway`` stands for the host as the container sees
    it.
    """
    name, _, address = entry.partition(":")
    if address == "host-gateway":
        if endpoint is None or not endpoint.gateway:
            raise InvalidParameter("unable to derive the IP value for host-gateway")
        address = endpoint.gateway
    return name, address.strip("[]")


def _read_host_file(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
