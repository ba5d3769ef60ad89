"""An upstream on a real socket that misbehaves on request, and a way to read from it."""

from collections.abc import AsyncIterator

import pytest

from havre.image.remote.config import RegistryConfig
from havre.image.remote.repository import Registries, Repository
from havre.image.remote.retry import RetryPolicy
from havre.image.remote.tokens import Tokens
from havre.image.remote.transport import Transport, open_session
from tests.fakes.registry import FakeRegistry, serving

QUICK = RetryPolicy(attempts=3, first=0.01, longest=0.02, patience=2.0)


@pytest.fixture
async def upstream() -> AsyncIterator[FakeRegistry]:
    async with serving() as server:
        yield server


@pytest.fixture
async def source(upstream: FakeRegistry) -> AsyncIterator[Repository]:
    """The repository ``app`` of the upstream."""
    config = RegistryConfig(certificates=())
    async with open_session() as session:
        transport = Transport(session)
        registries = Registries(transport, config, Tokens(transport, config), QUICK)
        place = (await config.places(upstream.host))[0]
        yield await registries.open(place, "app", None)
