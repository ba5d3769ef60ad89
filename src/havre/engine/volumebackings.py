"""Who keeps a volume: a driver in this process, or a plugin. To the engine both are the same."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from havre.errors import HavreError, NotFound, Unavailable
from havre.volume import VolumeDriver
from havre.volume.plugins.drivers import PluginDriver, PluginDrivers, PluginVolume
from havre.volume.store import check_name

Json = dict[str, Any]

# A plugin need not say when it made a volume.
UNKNOWN = "0001-01-01T00:00:00Z"
NOT_THERE = "no such volume"


class Backing(Protocol):
    """A driver by name. ``scope`` is local or global. See ``VolumeDriver`` for the steps of a removal."""

    @property
    def name(self) -> str: ...
    @property
    def scope(self) -> str: ...

    def check(self, name: str, options: Mapping[str, str]) -> None:
        """Refuse a name or options it does not take."""

    async def create(self, name: str, options: Mapping[str, str]) -> None:
        """Make it if it is not there."""

    async def take_away(self, name: str) -> None: ...

    async def discard(self, name: str) -> None: ...

    async def describe(self, name: str) -> Json:
        """What it knows of the volume; ``NotFound`` if that is nothing."""


@dataclass(frozen=True, slots=True)
class DiskBacking:
    """A driver in this process."""

    driver: VolumeDriver
    scope: str = "local"

    @property
    def name(self) -> str:
        return self.driver.name

    def check(self, name: str, options: Mapping[str, str]) -> None:
        check_name(name)
        self.driver.check(options)

    async def create(self, name: str, options: Mapping[str, str]) -> None:
        await asyncio.to_thread(self.driver.create, name)

    async def take_away(self, name: str) -> None:
        await asyncio.to_thread(self.driver.take_away, name)

    async def discard(self, name: str) -> None:
        await asyncio.to_thread(self.driver.discard, name)

    async def describe(self, name: str) -> Json:
        return {"Mountpoint": str(self.driver.path(name))}


@dataclass(frozen=True, slots=True)
class PluginBacking:
    """A plugin, which checks for itself."""

    plugin: PluginDriver

    @property
    def name(self) -> str:
        return self.plugin.name

    @property
    def scope(self) -> str:
        return self.plugin.scope

    def check(self, name: str, options: Mapping[str, str]) -> None:
        return

    async def create(self, name: str, options: Mapping[str, str]) -> None:
        try:
            await self.plugin.get(name)
        except HavreError:
            await self.plugin.create(name, options)

    async def take_away(self, name: str) -> None:
        try:
            await self.plugin.remove(name)
        except NotFound:
            return

    async def discard(self, name: str) -> None:
        return

    async def describe(self, name: str) -> Json:
        try:
            return told(await self.plugin.get(name))
        except Unavailable as error:
            where = f'error while checking if volume "{name}" exists in driver "{self.name}"'
            raise Unavailable(f"{where}: {error.message}") from None
        except HavreError:
            # Whatever it says instead of telling of a volume, Docker takes it for that.
            raise NotFound(NOT_THERE) from None


class Backings:
    """All of them by name."""

    def __init__(self, drivers: Mapping[str, VolumeDriver], plugins: PluginDrivers) -> None:
        self._here = {name: DiskBacking(driver) for name, driver in drivers.items()}
        self._plugins = plugins

    def here(self, name: str) -> DiskBacking | None:
        """A driver in this process."""
        return self._here.get(name)

    async def get(self, name: str, wait: bool = True) -> Backing:
        """The driver ``name``, a plugin perhaps waited for. ``NotFound`` or ``Unavailable`` with Docker's text."""
        if (here := self._here.get(name)) is not None:
            return here
        try:
            return PluginBacking(await self._plugins.get(name, wait))
        except HavreError as error:
            raise type(error)(f"error looking up volume plugin {name}: {error.message}") from None

    async def plugins(self) -> list[PluginDriver]:
        """The plugins that answer now."""
        return await self._plugins.all()

    async def holder(self, volume: str) -> Backing | None:
        """The plugin that has a volume of which there is no record."""
        plugins = await self.plugins()
        found = await asyncio.gather(*(plugin.get(volume) for plugin in plugins), return_exceptions=True)
        for plugin, answer in zip(plugins, found, strict=True):
            if isinstance(answer, PluginVolume):
                return PluginBacking(plugin)
        return None


def told(volume: PluginVolume) -> Json:
    """A plugin's words in an answer."""
    told: Json = {"Mountpoint": volume.mountpoint, "CreatedAt": volume.created or UNKNOWN}
    if volume.status:
        told["Status"] = volume.status
    return told
