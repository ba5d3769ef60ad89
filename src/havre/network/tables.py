"""Keeps the nftables tables of all bridges in force, also when somebody flushes the host's rules."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
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

Residents = Callable[[], Iterable[Endpoint]]


@dataclass(frozen=True, slots=True)
class _Table:
    rules: BridgeRules
    residents: Residents


class Tables:
    """One table a bridge, from ``install`` to ``remove`` (or ``leave``); what others flush meanwhile is put back."""

    def __init__(self, nft: Nftables, executor: Executor, tasks: TaskOwner) -> None:
        self._nft = nft
        self._executor = executor
        self._tasks = tasks
        self._commits = Commits(nft.run, executor, tasks)
        self._tables: dict[str, _Table] = {}
        self._events: RuleEvents | None = None
        # Once is enough: a host that drops what it forwards does so for all networks.
        self._warned = False

    async def install(self, rules: BridgeRules, residents: Residents) -> None:
        """Put the bridge's table in place of what there was; ``residents`` are always asked for the present endpoints.

        Raises ``Unavailable`` where the kernel cannot do it.
        """
        try:
            await self._commits.apply(firewall.ruleset(rules, residents()))
        except NftError as error:
            raise Unavailable(
                f"this kernel cannot do NAT with nftables (start with --iptables=false to do without): {error}"
            ) from error
        self._tables[rules.bridge] = _Table(rules, residents)
        if self._events is None:
            self._events = RuleEvents()
            asyncio.get_running_loop().add_reader(self._events.fileno(), self._look)
        if not self._warned:
            self._warned = True
            await self._warn_of_others()

    async def publish(self, bridge: str, endpoint: Endpoint) -> None:
        """Send the endpoint's published ports to it."""
        if bridge in self._tables:
            await self._change(bridge, firewall.publish(self._tables[bridge].rules, endpoint))

    async def withdraw(self, bridge: str, endpoint: Endpoint) -> None:
        """End that, if it was begun; the endpoint is no resident any more."""
        if bridge in self._tables:
            rules = self._tables[bridge].rules
            # Adding before deleting makes it right for elements that were never added, too.
            await self._change(bridge, firewall.publish(rules, endpoint) + firewall.withdraw(rules, endpoint))

    async def renew(self, bridge: str) -> bool:
        """Put the bridge's tables in place as they should be; whether they were otherwise."""
        if bridge not in self._tables:
            return False
        table = self._tables[bridge]
        before = await self._present(table)
        await self._commits.apply(firewall.ruleset(table.rules, table.residents()))
        return await self._present(table) != before

    async def _present(self, table: _Table) -> list[str]:
        found = []
        for family in table.rules.families:
            objects = await to_end(self._executor, self._nft.table, family, table.rules.table)
            # Each making gives other numbers; who was let in of late is no part of the rules.
            found += [_text(each) for each in objects or ()]
        return found

    async def remove(self, bridge: str, families: Sequence[str]) -> None:
        """Take the bridge's tables of ``families`` away, whether or not they are there."""
        self.leave(bridge)
        if families:
            await self._commits.apply(firewall.removal(bridge, families))

    def leave(self, bridge: str) -> None:
        """Look after the bridge's table no longer; it stays."""
        self._tables.pop(bridge, None)
        if not self._tables and self._events is not None:
            asyncio.get_running_loop().remove_reader(self._events.fileno())
            self._events.close()
            self._events = None

    async def _change(self, bridge: str, lines: list[str]) -> None:
        if not lines:
            return
        try:
            await self._commits.apply("".join(lines))
        except NftError as error:
            if bridge in self._tables:
                await self._restore(self._tables[bridge], str(error))

    def _look(self) -> None:
        assert self._events is not None
        news = self._events.news()
        for table in self._tables.values():
            if news.lost or table.rules.table in news.deleted:
                self._tasks.start(self._restore_missing(table), "flushed rules")
        if news.lost or any(not firewall.is_own(name) for name in news.changed):
            for table in self._tables.values():
                if table.rules.honest:
                    self._tasks.start(self._ask_anew(table), "changed rules of the host")

    async def _ask_anew(self, table: _Table) -> None:
        """The host's rules have changed: those they let in may be others now."""
        with suppress(NftError):  # the table is gone, with its admissions
            await self._commits.apply(firewall.forget_admissions(table.rules))

    async def _restore_missing(self, table: _Table) -> None:
        # Our own transactions delete tables too, to make them anew in the same breath.
        for family in table.rules.families:
            found = await to_end(self._executor, self._nft.table, family, table.rules.table)
            if found is None and self._tables.get(table.rules.bridge) is table:
                await self._restore(table, "it was deleted")
                return

    async def _restore(self, table: _Table, reason: str) -> None:
        log.warning("nftables table %s was damaged and is made anew: %s", table.rules.table, reason)
        await self._commits.apply(firewall.ruleset(table.rules, table.residents()))

    async def _warn_of_others(self) -> None:
        """An accepted packet is still subject to the tables of others; say so where one of them drops by default."""
        for chain in await to_end(self._executor, obstacles, self._nft):
            log.warning("%s", told(chain))


def _text(entry: dict[str, Any]) -> str:
    ((kind, value),) = entry.items()
    kept = {key: part for key, part in value.items() if key != "handle"}
    if value.get("name") == "admitted":
        kept.pop("elem", None)
    if kind in ("map", "set"):
        kept["elem"] = sorted(map(str, kept.get("elem", ())))
    return f"{kind} {kept}"
