"""All that builds, as the API's handlers see it."""

from dataclasses import dataclass

from havre.builder.buildkit.door import BuildKit
from havre.builder.classic import ClassicBuilds
from havre.builder.direct import DirectBuilds
from havre.builder.eviction import Eviction
from havre.builder.transfer import Carrier
from havre.builder.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Builds:
    """The ways to ask for a build."""

    classic: ClassicBuilds
    direct: DirectBuilds
    upkeep: Upkeep
    buildkit: BuildKit
    carrier: Carrier
    eviction: Eviction

    async def close(self) -> None:
        """Break off all builds."""
        await self.eviction.close()
        await self.classic.close()
        await self.direct.close()
        await self.buildkit.close()
        await self.carrier.close()
