"""Plugins as volume drivers: ``/VolumeDriver.*``, and which plugins there are. The engine comes in here."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from havre.errors import HavreError, NotFound, SystemFault, Unavailable
from havre.volume.plugins import PluginSettings, discovery
from havre.volume.plugins.client import Client
from havre.volume.plugins.discovery import Address

log = logging.getLogger(__name__)

_KIND = "VolumeDriver"


@dataclass(frozen=True, slots=True)
class PluginVolume:
    """A volume as its plugin tells of it."""

    name: str
    mountpoint: str = ""
    created: str = ""
    status: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PluginDriver:
    """One plugin that keeps volumes. ``scope`` is local or global. Errors are those of ``Client``."""

    name: str
    scope: str
    _client: Client
    _settings: PluginSettings

    async def create(self, name: str, options: Mapping[str, str]) -> None:
        await self._call("Create", {"Name": name, "Opts": dict(options)}, self._settings.long)

    async def remove(self, name: str) -> None:
        await self._call("Remove", {"Name": name}, self._settings.short)

    async def mount(self, name: str, use: str) -> str:
        """Mount it for the use (a container's mount) of that id; where its files are. Each is unmounted by itself."""
        answer = await self._call("Mount", {"Name": name, "ID": use}, self._settings.long)
        return _path(answer, f"plugin {self.name} has mounted volume {name} nowhere")

    async def unmount(self, name: str, use: str) -> None:
        await self._call("Unmount", {"Name": name, "ID": use}, self._settings.short)

    async def get(self, name: str) -> PluginVolume:
        """``NotFound`` when it has none of that name."""
        answer = await self._call("Get", {"Name": name}, self._settings.short)
        volume = _volume(answer.get("Volume"))
        if volume is None or not volume.name:
            raise NotFound("no such volume")
        return volume

    async def list(self) -> list[PluginVolume]:
        """All it has; waited for no longer than somebody waits for a list."""
        answer = await self._call("List", {}, self._settings.listing)
        found = [_volume(entry) for entry in _listed(answer, "Volumes")]
        return [volume for volume in found if volume is not None and volume.name]

    async def _call(self, method: str, body: dict[str, Any], seconds: float) -> dict[str, Any]:
        return await self._client.call(f"{_KIND}.{method}", body, seconds)


class PluginDrivers:
    """The plugins that keep volumes, each activated when it is first asked for."""

    def __init__(self, settings: PluginSettings) -> None:
        self._settings = settings
        self._loaded: dict[str, tuple[Address, PluginDriver]] = {}

    def loaded(self) -> list[str]:
        """The names of those that have answered."""
        return sorted(self._loaded)

    async def get(self, name: str, wait: bool = True) -> PluginDriver:
        """The plugin ``name``; with ``wait`` it is given some time to be there. ``NotFound``, or ``Unavailable``."""
        address = await asyncio.to_thread(discovery.find, self._settings, name)
        if (known := self._loaded.get(name)) is not None and address in (None, known[0]):
            return known[1]
        if address is None:
            raise NotFound(f'plugin "{name}" not found')
        driver = await self._activate(address, self._settings.connect if wait else 0.0)
        self._loaded[name] = address, driver
        return driver

    async def all(self) -> list[PluginDriver]:
        """Those that answer now."""
        names = await asyncio.to_thread(discovery.names, self._settings)
        names = sorted({*names, *self._loaded})
        found = await asyncio.gather(*(self.get(name, wait=False) for name in names), return_exceptions=True)
        drivers = []
        for name, driver in zip(names, found, strict=True):
            if isinstance(driver, HavreError):
                if not isinstance(driver, NotFound):
                    log.warning("plugin %s cannot be used: %s", name, driver)
            elif isinstance(driver, BaseException):
                raise driver
            else:
                drivers.append(driver)
        return drivers

    async def _activate(self, address: Address, patience: float) -> PluginDriver:
        client = Client(address)
        seconds = self._settings.short if patience else self._settings.listing
        told = await client.call("Plugin.Activate", {}, seconds, patience)
        if _KIND not in _listed(told, "Implements"):
            raise NotFound(f'plugin "{address.name}" does not implement the requested interface "{_KIND}"')
        return PluginDriver(address.name, await self._scope(address.name, client), client, self._settings)

    async def _scope(self, name: str, client: Client) -> str:
        try:
            answer = await client.call(f"{_KIND}.Capabilities", {}, self._settings.listing)
        except (SystemFault, NotFound, Unavailable) as error:
            log.info("plugin %s tells nothing of its capabilities: %s", name, error)
            return "local"
        capabilities = answer.get("Capabilities")
        scope = str(capabilities.get("Scope", "")).lower() if isinstance(capabilities, dict) else ""
        if scope not in ("local", "global"):
            log.warning("plugin %s has an unknown scope %r: it is taken for local", name, scope)
            return "local"
        return scope


def _path(answer: dict[str, Any], wrong: str) -> str:
    path = answer.get("Mountpoint")
    if not isinstance(path, str) or not path.startswith("/") or ".." in PurePosixPath(path).parts or "\0" in path:
        raise SystemFault(f"{wrong}: {str(path)[:200]!r}")
    return path


def _listed(answer: dict[str, Any], key: str) -> list[Any]:
    found = answer.get(key)
    return found if isinstance(found, list) else []


def _volume(entry: Any) -> PluginVolume | None:
    if not isinstance(entry, dict):
        return None
    status = entry.get("Status")
    name, mountpoint, created = (str(entry.get(key) or "") for key in ("Name", "Mountpoint", "CreatedAt"))
    return PluginVolume(name, mountpoint, created, status if isinstance(status, dict) else {})
