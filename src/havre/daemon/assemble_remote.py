"""What speaks to registries: its parts and how they know each other. ``assemble`` comes in here."""

import os
from dataclasses import dataclass

from aiohttp import ClientSession

from havre.daemon import registrysettings
from havre.daemon.assemble_storage import Storage
from havre.daemon.config import Config
from havre.image.remote.login import Login
from havre.image.remote.proxies import Proxies
from havre.image.remote.pull import Puller
from havre.image.remote.push import Pusher
from havre.image.remote.repository import Registries
from havre.image.remote.search import Search
from havre.image.remote.tokens import Tokens
from havre.image.remote.transport import Transport


@dataclass(frozen=True, slots=True)
class Remote:
    """The parts of it that others need."""

    registries: Registries
    puller: Puller
    pusher: Pusher
    login: Login
    search: Search


def remote(config: Config, storage: Storage, session: ClientSession) -> Remote:
    """Everything that speaks to registries."""
    transport = Transport(session, Proxies.from_environ(os.environ))
    settings = registrysettings.registries(config)
    tokens = Tokens(transport, settings)
    registries = Registries(transport, settings, tokens, registrysettings.retries(config))
    puller = Puller(storage.blobs, storage.images, storage.layers, registries, storage.places)
    outgoing = (storage.places, storage.sessions, config.max_concurrent_uploads)
    pusher = Pusher(storage.blobs, storage.images, registries, *outgoing)
    login, search = Login(transport, registries, tokens), Search(transport, registries, tokens)
    return Remote(registries, puller, pusher, login, search)
