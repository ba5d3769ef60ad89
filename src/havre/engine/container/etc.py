"""The three files of ``/etc`` that a container gets from the engine: hosts, hostname, resolv.conf.

They lie in the container's directory and are bind-mounted, so they must be there before the runtime makes the
container, and are completed in place (the mount holds the inode) once its address is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from havre.engine.container.links import Link
from havre.engine.container.network import named
from havre.engine.container.record import Container
from havre.errors import InvalidParameter
from havre.network import gateways
from havre.network.files import hosts_file, last_words, own_lines, resolv_conf, resolv_notes, resolv_source, values
from havre.network.model import Endpoint
from havre.network.names import Upstream
from havre.store.layout import Layout

# Of resolv.conf, in the order in which they are asked for.
_PARTS = ("nameservers", "search", "options")


@dataclass(frozen=True, slots=True)
class EtcFiles:
    """Writes the files. ``dns``, ``dns_search``, ``dns_options`` are the daemon's defaults; ``names`` is the address
    of the service of names, "" if there is none.
    """

    layout: Layout
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    names: str = ""

    def prepare(self, container: Container) -> None:
        """Make the files; only hosts lacks the address yet."""
        directory = self.layout.container(container.id)
        (directory / "hostname").write_text(f"{container.hostname}\n")
        (directory / "hosts").touch()
        self.write_resolv_conf(container)

    def write_resolv_conf(self, container: Container) -> None:
        """Write resolv.conf, in place: who is on a network with names asks their service, which asks the others."""
        text = self._host_text(container)
        if self.names and named(container):
            upstream = self.upstream(container)
            options = upstream.options
            given = [bool(own or default) for own, default in self._asked(container)]
            overridden = [part for part, is_ours in zip(_PARTS, given, strict=True) if is_ours]
            ndots_from = "override" if "options" in overridden else "host"
            if not any(option.startswith("ndots:") for option in options):
                options, ndots_from = (*options, "ndots:0"), "internal"
            found = resolv_conf(text, (self.names,), upstream.search, options)
            found += resolv_notes(upstream, overridden, ndots_from)
        else:
            own = container.host.network_mode != "host"
            asked = [given or default for given, default in self._asked(container)]
            found = resolv_conf(text, *asked, own_network=own)
        (self.layout.container(container.id) / "resolv.conf").write_text(found)

    def upstream(self, container: Container) -> Upstream:
        """Who knows the names that no container has. Servers nobody chose are the host's, which alone reaches them."""
        text = self._host_text(container)
        dns, search, options = (tuple(given or default) for given, default in self._asked(container))
        own = resolv_conf(text, dns, search, options, own_network=False)
        servers = values(own, "nameserver")
        on_host = frozenset() if dns else frozenset(servers)
        return Upstream(servers, last_words(own, "search"), last_words(own, "options"), on_host)

    def _asked(self, container: Container) -> list[tuple[Sequence[str], Sequence[str]]]:
        host = container.host
        return [
            (host.dns or (), self.dns),
            (host.dns_search or (), self.dns_search),
            (host.dns_options or (), self.dns_options),
        ]

    def _host_text(self, container: Container) -> str:
        text = _read_host_file(Path("/etc/resolv.conf"))
        if container.host.network_mode == "host" or (self.names and named(container)):
            return text
        return _read_host_file(resolv_source(text))

    def complete(self, container: Container, endpoints: Sequence[Endpoint], links: Sequence[Link] = ()) -> None:
        """Write hosts, with those the container is linked to."""
        host = container.host
        if host.network_mode == "host" and not host.extra_hosts:
            text = _read_host_file(Path("/etc/hosts"))
        else:
            extra = [_extra(entry, gateways.chosen(endpoints, 4)) for entry in host.extra_hosts or ()]
            extra += [(" ".join(link.names), link.address) for link in links]
            addresses = [address for endpoint in endpoints for address in endpoint.addresses]
            text = hosts_file(container.hostname, addresses, extra, container.config.domainname)
        (self.layout.container(container.id) / "hosts").write_text(text)

    def connected(self, container: Container, endpoint: Endpoint) -> None:
        """Add the container's name on one more network."""
        self._change_hosts(container, endpoint, added=True)

    def disconnected(self, container: Container, endpoint: Endpoint) -> None:
        """Take it away again; all other lines are the container's own."""
        self._change_hosts(container, endpoint, added=False)

    def _change_hosts(self, container: Container, endpoint: Endpoint, added: bool) -> None:
        path = self.layout.container(container.id) / "hosts"
        text = path.read_text(errors="surrogateescape")
        lines = [line for line in text.splitlines(keepends=True) if line.split()[:1] not in _each(endpoint.addresses)]
        if added:
            lines += own_lines(container.hostname, endpoint.addresses, container.config.domainname)
        # In place: the container's mount holds the inode.
        path.write_text("".join(lines), errors="surrogateescape")


def _each(addresses: Sequence[str]) -> list[list[str]]:
    return [[address] for address in addresses]


def _extra(entry: str, endpoint: Endpoint | None) -> tuple[str, str]:
    """``name:address`` of ``--add-host`` as (name, address); ``host-gateway`` stands for the host as the container sees
    it.
    """
    name, _, address = entry.partition(":")
    if address == "host-gateway":
        if endpoint is None or endpoint.gateway in ("", "0.0.0.0"):
            raise InvalidParameter("unable to derive the IP value for host-gateway")
        address = endpoint.gateway
    return name, address.strip("[]")


def _read_host_file(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
