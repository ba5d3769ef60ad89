"""Keeps the daemon's nftables table in force, also when somebody flushes the host's rules."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from havre.errors import Unavailable
from havre.kernel.nftables import Nftables, NftError, RuleEvents
from havre.lib.tasks import TaskOwner
from havre.network import firewall
from havre.network.commits import Commits
from havre.network.firewall import BridgeRules
from havre.network.model import Endpoint
from havre.network.obstacles import obstacles, told
from havre.network.threads import to_end

log = logging.getLogger(__name__)

_WORDS = re.compile(r"[\w.:-]+")
Residents = Callable[[], Iterable[Endpoint]]


@dataclass(frozen=True, slots=True)
class _Bridge:
    rules: BridgeRules
    residents: Residents


class Tables:
    """The table, with every bridge from ``install`` to ``remove`` (or ``leave``); what others flush is put back.

    What an earlier daemon left stays in force until ``settle``. Meanwhile another table guards what is opened: a packet
    passes only where both let it, and is translated by the first that knows its port.
    """

    def __init__(self, nft: Nftables, executor: Executor, tasks: TaskOwner) -> None:
        self._nft = nft
        self._executor = executor
        self._tasks = tasks
        self._commits = Commits(nft.run, executor, tasks)
        self._bridges: dict[str, _Bridge] = {}
        # Bridges that stay with their containers while the daemon ends.
        self._left: dict[str, _Bridge] = {}
        # The table in force, and the one that will be; "" before the first bridge.
        self._table = self._final = ""
        # Bridges of which an earlier daemon may have left tables.
        self._before: set[str] = set()
        self._settled = False
        self._events: RuleEvents | None = None
        # Once is enough: a host that drops what it forwards does so for all networks.
        self._warned = False

    def name(self, bridge: str) -> None:
        """The table is called after that bridge, the default one, from ``settle`` on."""
        self._final = firewall.table_of(bridge)

    async def install(self, rules: BridgeRules, residents: Residents) -> None:
        """Put the bridge's rules in force; ``residents`` are always asked for the present endpoints.

        Raises ``Unavailable`` where the kernel cannot do it.
        """
        if not self._final:
            self.name(rules.bridge)
        first = not self._table
        if first:
            self._table = self._final if self._settled else firewall.starting(self._final)
        known = self._bridges.get(rules.bridge)
        self._bridges[rules.bridge] = bridge = _Bridge(rules, residents)
        try:
            if first or known:
                await self._rebuild()
            else:
                await self._join(bridge)
        except NftError as error:
            del self._bridges[rules.bridge]
            self._table = "" if first else self._table
            raise Unavailable(
                f"this kernel cannot do NAT with nftables (start with --iptables=false to do without): {error}"
            ) from error
        self._note(rules.bridge)
        if self._events is None:
            self._events = RuleEvents()
            asyncio.get_running_loop().add_reader(self._events.fileno(), self._look)
        if not self._warned:
            self._warned = True
            await self._warn_of_others()

    async def _join(self, bridge: _Bridge) -> None:
        try:
            await self._commits.apply(firewall.join(self._table, bridge.rules, bridge.residents()))
        except NftError as error:
            await self._restore(str(error))

    async def publish(self, bridge: str, endpoint: Endpoint) -> None:
        """Send the endpoint's published ports to it."""
        if bridge in self._bridges:
            await self._change(firewall.publish(self._table, self._bridges[bridge].rules, endpoint))

    async def withdraw(self, bridge: str, endpoint: Endpoint) -> None:
        """End that, if it was begun; the endpoint is no resident any more."""
        if bridge in self._bridges:
            rules = self._bridges[bridge].rules
            # Adding before deleting makes it right for elements that were never added, too.
            added = firewall.publish(self._table, rules, endpoint)
            await self._change(added + firewall.withdraw(self._table, rules, endpoint))

    async def settle(self) -> set[str]:
        """Put the table in place of all that there was, also of earlier daemons; the bridges it was otherwise for.

        Raises ``Unavailable`` where the kernel does not take it; then what there was stays.
        """
        if not self._bridges:
            return set()
        former = await self._former()
        before = await self._present()
        starting, self._table = firewall.starting(self._final), self._final
        purge = firewall.removal(starting) + "".join(firewall.removal(name, family) for family, name in former)
        try:
            await self._commits.apply(purge + self._whole())
        except NftError as error:
            raise Unavailable(f"the nftables table {self._final} cannot be made: {error}") from error
        self._before.clear()
        self._settled = True
        return self._concerned(before ^ await self._present())

    def _note(self, bridge: str) -> None:
        if not self._settled:
            self._before.add(bridge)

    def _concerned(self, changed: Iterable[str]) -> set[str]:
        """The bridges that ``changed``, parts of the table, are about: all of them, where it is none in particular."""
        words_of = {name: _words_of(bridge) for name, bridge in self._bridges.items()}
        found: set[str] = set()
        for text in changed:
            words = set(_WORDS.findall(text))
            found |= {name for name, own in words_of.items() if own & words} or set(words_of)
        return found

    async def _former(self) -> list[tuple[str, str]]:
        """Tables that know bridges of ours: an earlier daemon's with another default bridge, or with one each."""
        found = []
        bridges = set(map(firewall.table_of, self._before))
        for family, name in await to_end(self._executor, self._nft.tables) if self._before else ():
            if family in ("ip", "ip6") and name in bridges:
                found.append((family, name))
            elif family == "inet" and firewall.is_own(name) and name not in (self._table, self._final):
                objects = await to_end(self._executor, self._nft.table, family, name)
                if firewall.bridges_in(objects or ()) & self._before:
                    found.append((family, name))
        return found

    async def _present(self) -> set[str]:
        objects = await to_end(self._executor, self._nft.table, "inet", self._table)
        return {text for each in objects or () for text in _texts(each)}

    async def remove(self, bridge: str) -> None:
        """Take the bridge's rules away, with the last one the table."""
        self._note(bridge)
        gone = self._bridges.get(bridge)
        self.leave(bridge)
        self._left.pop(bridge, None)
        if gone is None:
            return
        if not self._bridges and not self._left:
            table, self._table = self._table, ""
            await self._commits.apply(firewall.removal(table))
            return
        try:
            await self._commits.apply(firewall.part(self._table, gone.rules))
        except NftError as error:
            await self._restore(str(error))

    def leave(self, bridge: str) -> None:
        """Look after the bridge no longer; its rules stay."""
        if bridge in self._bridges:
            self._left[bridge] = self._bridges.pop(bridge)
        if not self._bridges and self._events is not None:
            asyncio.get_running_loop().remove_reader(self._events.fileno())
            self._events.close()
            self._events = None

    async def _change(self, lines: list[str]) -> None:
        if not lines:
            return
        try:
            await self._commits.apply("".join(lines))
        except NftError as error:
            if self._bridges:
                await self._restore(str(error))

    def _look(self) -> None:
        assert self._events is not None
        news = self._events.news()
        if news.lost or self._table in news.deleted:
            self._tasks.start(self._restore_missing(), "flushed rules")
        honest = any(bridge.rules.honest for bridge in self._bridges.values())
        if honest and (news.lost or any(not firewall.is_own(name) for name in news.changed)):
            self._tasks.start(self._ask_anew(), "changed rules of the host")

    async def _ask_anew(self) -> None:
        """The host's rules have changed: those they let in may be others now."""
        with suppress(NftError):  # the table is gone, with its admissions
            await self._commits.apply(firewall.forget_admissions(self._table))

    async def _restore_missing(self) -> None:
        # Our own transactions delete tables too, to make them anew in the same breath.
        found = await to_end(self._executor, self._nft.tables)
        if ("inet", self._table) not in found and self._bridges:
            await self._restore("it was deleted")

    async def _restore(self, reason: str) -> None:
        if self._table:  # else the last bridge has gone meanwhile
            log.warning("nftables table %s was damaged and is made anew: %s", self._table, reason)
            await self._rebuild()

    async def _rebuild(self) -> None:
        await self._commits.apply(self._whole())

    def _whole(self) -> str:
        there = (self._left | self._bridges).values()
        return firewall.ruleset(self._table, [(bridge.rules, bridge.residents()) for bridge in there])

    async def _warn_of_others(self) -> None:
        """An accepted packet is still subject to the tables of others; say so where one of them drops by default."""
        for chain in await to_end(self._executor, obstacles, self._nft):
            log.warning("%s", told(chain))


def _texts(entry: dict[str, Any]) -> Iterable[str]:
    """The object without its number, which each making gives anew, and each of its elements."""
    ((kind, value),) = entry.items()
    kept = {key: part for key, part in value.items() if key not in ("handle", "elem")}
    yield f"{kind} {kept}"
    # Who was let in of late is no part of the rules.
    if not kept.get("name", "").startswith("admitted"):
        for each in value.get("elem", ()):
            yield f"element {kept['name']} {each}"


def _words_of(bridge: _Bridge) -> set[str]:
    """Words by which a part of the table is known to be about the bridge."""
    rules = bridge.rules
    subnets = {str(net.network_address) for net in (rules.subnet, rules.subnet6) if net is not None}
    addresses = {address for each in bridge.residents() for address in each.addresses}
    return {rules.bridge, *firewall.chains(rules)} | subnets | addresses
