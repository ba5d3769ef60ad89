"""Legacy links: containers on the default bridge that know others by an alias, in their environment and their hosts.

The record keeps the alias and the full id of the other; its name and address are looked up when they are needed, so
that they follow a rename and a restart.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from havre.engine.container.modes import Finder, joined
from havre.engine.container.network import exposed_ports
from havre.engine.container.record import Container
from havre.engine.container.registry import Registry
from havre.errors import Conflict, InvalidParameter, NotFound
from havre.store.layout import Layout

log = logging.getLogger(__name__)

_BRIDGE = "bridge"
# Variables of the other container that say nothing about it.
_UNTOLD = ("HOME", "PATH")


def parse(text: str) -> tuple[str, str]:
    """``name:alias``, ``name``, or ``/name:/own name/alias`` as inspect shows it: the name and the alias."""
    if not text:
        raise InvalidParameter("empty string specified for links")
    name, _, alias = text.partition(":")
    if ":" in alias or text.endswith(":"):
        raise InvalidParameter(f"bad format for links: {text}")
    if name.startswith("/"):
        return name[1:], alias.rpartition("/")[2] or name[1:]
    alias = alias or name
    if any(letter.isspace() or not letter.isprintable() for letter in alias):
        raise InvalidParameter(f"bad format for links: {text}")
    return name, alias


def resolve(links: Iterable[str], containers: Finder) -> dict[str, str]:
    """Aliases and the ids of the containers they stand for; of two that share an alias the first counts."""
    found: dict[str, str] = {}
    for text in links:
        name, alias = parse(text)
        try:
            target = containers.find(name)
            while (next_id := joined(target.host.network_mode)) is not None:
                target = containers.find(next_id)
        except NotFound as error:
            raise InvalidParameter(f"could not get container for {name}: {error.message}") from None
        if target.host.network_mode == "host":
            raise InvalidParameter(
                "conflicting options: host type networking can't be used with links. "
                "This would result in undefined behavior"
            )
        found.setdefault(alias, target.id)
    return found


@dataclass(frozen=True, slots=True)
class Link:
    """One link as it is now: ``target`` runs and has ``address``."""

    alias: str
    target: Container
    address: str

    @property
    def names(self) -> list[str]:
        """What hosts calls the address: the alias, the other's host name and its name."""
        own = [] if self.alias == self.target.name else [self.target.name]
        return [self.alias, self.target.hostname, *own]


@dataclass(frozen=True, slots=True)
class Links:
    """What links come to at run time."""

    registry: Registry
    layout: Layout

    def of(self, container: Container) -> list[Link]:
        """The links of a container that is to run. ``Conflict`` when one leads to a container that does not."""
        if not container.links or container.host.network_mode != _BRIDGE:
            return []
        found = []
        for alias, target_id in container.links.items():
            link = self._look_up(alias, target_id)
            if link is None:
                name = self.name_of(container, alias)
                raise Conflict(f"Cannot link to a non running container: /{name} AS /{container.name}/{alias}")
            found.append(link)
        return found

    def environment(self, container: Container) -> list[str]:
        """The variables that tell a process of the container about those it is linked to and that run."""
        words: list[str] = []
        if container.links and container.host.network_mode == _BRIDGE:
            for alias, target_id in container.links.items():
                if (link := self._look_up(alias, target_id)) is not None:
                    words += environment(container.name, link)
        return words

    def tell(self, target: Container) -> None:
        """``target`` has (another) address: write it into the hosts of the running containers linked to it.

        One that cannot be told is logged: it may be going this instant.
        """
        for one in self.registry:
            if one.links and one.state.running and one.host.network_mode == _BRIDGE:
                for alias, target_id in one.links.items():
                    if target_id == target.id and (link := self._look_up(alias, target_id)) is not None:
                        try:
                            self._rewrite(one, alias, link)
                        except OSError as error:
                            log.warning("container %s does not learn of %s: %s", one.short_id, target.name, error)

    async def remove(self, reference: str) -> None:
        """Take the link ``container/alias`` away."""
        name, slash, alias = reference.removeprefix("/").rpartition("/")
        if not slash:
            self.registry.find(reference)
            raise Conflict("Conflict, cannot remove the default link name of the container")
        container = self.registry.find(name)
        async with self.registry.lock(container.id):
            container = self.registry.current(container.id)
            if alias not in container.links:
                raise NotFound(f"No such container: {reference.removeprefix('/')}")
            left = [text for text in container.host.links or () if parse(text)[1] != alias]
            host = msgspec.structs.replace(container.host, links=left or None)
            links = {other: target for other, target in container.links.items() if other != alias}
            container = await self.registry.save(container.replace(host=host, links=links))
            if container.state.running:
                self._rewrite(container, alias, None)

    def shown(self, container: Container) -> list[str] | None:
        """``HostConfig.Links`` as inspect shows them: ``/other:/own name/alias``."""
        found = [f"/{self.name_of(container, alias)}:/{container.name}/{alias}" for alias in container.links]
        return found or None

    def aliases(self) -> dict[str, list[str]]:
        """The names that containers have for those they are linked to, by the others' ids: ``/name/alias``."""
        found: dict[str, list[str]] = {}
        for one in self.registry:
            for alias, target_id in one.links.items():
                found.setdefault(target_id, []).append(f"/{one.name}/{alias}")
        return found

    def name_of(self, container: Container, alias: str) -> str:
        """The name of the container behind ``alias``; the one it was asked for by when it is gone."""
        try:
            return self.registry.current(container.links[alias]).name
        except NotFound:
            asked = (parse(text) for text in container.host.links or ())
            return next((name for name, known in asked if known == alias), alias)

    def _look_up(self, alias: str, target_id: str) -> Link | None:
        try:
            target = self.registry.current(target_id)
        except NotFound:
            return None
        settings = target.endpoints.get(_BRIDGE)
        if not target.state.running or settings is None or not settings.ip_address:
            return None
        return Link(alias, target, settings.ip_address)

    def _rewrite(self, container: Container, alias: str, link: Link | None) -> None:
        path = self.layout.container(container.id) / "hosts"
        # In place: the container's mount holds the inode.
        path.write_text(changed_hosts(path.read_text(errors="surrogateescape"), alias, link), errors="surrogateescape")


def changed_hosts(text: str, alias: str, link: Link | None) -> str:
    """Hosts with the line of ``alias`` as ``link`` now has it, or without; all other lines are the container's own."""
    lines = []
    for line in text.splitlines(keepends=True):
        if line.split()[1:2] != [alias]:
            lines.append(line)
        elif link is not None:
            lines.append(hosts_line(link))
    return "".join(lines)


def hosts_line(link: Link) -> str:
    """A link's line of ``/etc/hosts``."""
    return f"{link.address}\t{' '.join(link.names)}\n"


def environment(name: str, link: Link) -> list[str]:
    """The variables of one link of the container ``name``: ports, the name, and the other's own environment."""
    prefix = link.alias.upper().replace("-", "_")
    ports = exposed_ports(link.target)
    words = []
    if ports:
        number, proto = min(ports, key=lambda port: (port[1] != "tcp", port[0]))
        words.append(f"{prefix}_PORT={proto}://{link.address}:{number}")
    for group in _runs(ports):
        words += _range_words(prefix, link.address, group)
    for number, proto in ports:
        one = f"{prefix}_PORT_{number}_{proto.upper()}"
        words += [f"{one}={proto}://{link.address}:{number}", f"{one}_ADDR={link.address}"]
        words += [f"{one}_PORT={number}", f"{one}_PROTO={proto}"]
    words.append(f"{prefix}_NAME=/{name}/{link.alias}")
    for entry in link.target.config.env or ():
        key, is_pair, value = entry.partition("=")
        if is_pair and key not in _UNTOLD:
            words.append(f"{prefix}_ENV_{key}={value}")
    return words


def _range_words(prefix: str, address: str, group: Sequence[tuple[int, str]]) -> list[str]:
    (first, proto), (last, _) = group[0], group[-1]
    one = f"{prefix}_PORT_{first}_{proto.upper()}"
    return [
        f"{one}_START={proto}://{address}:{first}",
        f"{one}_ADDR={address}",
        f"{one}_PROTO={proto}",
        f"{one}_PORT_START={first}",
        f"{one}_END={proto}://{address}:{last}",
        f"{one}_PORT_END={last}",
    ]


def _runs(ports: Sequence[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """Ports of one protocol that follow each other, two at least."""
    runs: list[list[tuple[int, str]]] = []
    by_proto: Mapping[str, list[int]] = {
        proto: [number for number, other in ports if other == proto] for proto in {proto for _, proto in ports}
    }
    for proto, numbers in sorted(by_proto.items()):
        run: list[tuple[int, str]] = []
        for number in sorted(numbers):
            if run and number != run[-1][0] + 1:
                runs.append(run)
                run = []
            run.append((number, proto))
        runs.append(run)
    return [run for run in runs if len(run) > 1]
