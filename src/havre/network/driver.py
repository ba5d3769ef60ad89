"""What a kind of network must do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from havre.network.model import Endpoint, EndpointRequest, Network, PortRequest, PublishedPort


class Driver(Protocol):
    """One kind of network. ``Networks`` keeps the records and calls in this order; no driver writes to the database.

    A network's life: ``choose`` decides what is still open (subnet, interface); the record is written; ``open``, once
    in each life of the daemon, finds any kernel state there may be (all of it after a restart, none after a reboot,
    half of it after a crash) and makes it fit exactly the network and the endpoints given; ``leave``
    when the daemon ends before the network does; ``close`` when it goes.

    An endpoint's life: ``plan`` sets addresses and ports aside (memory and host sockets only, so that dying undoes it);
    the record is written; ``attach`` makes the kernel state; ``republish`` changes its ports; ``detach`` ends all
    traffic and removes it, and is right at any half-done stage, also when there is nothing to remove; the record is
    deleted; ``release`` gives back what ``plan`` set aside. ``attach`` and ``detach``, when cancelled, first end the
    step they are in.
    """

    name: str
    # Whether ports can be published on its networks; ``republish`` is called on those alone.
    publishes: bool

    def check(self, network: Network) -> None:
        """Refuse a new network that cannot be: ``InvalidParameter``, ``Forbidden``, ``Unsupported``."""
        ...

    async def choose(self, network: Network, in_use: bool, taken: Sequence[str] = ()) -> Network:
        """Fill in what the record leaves open or what no longer fits host and settings; no changes while in use.

        ``taken`` are the subnets of the other networks.
        """
        ...

    async def open(self, network: Network, endpoints: Sequence[Endpoint], cursor: int) -> None:
        """Make the kernel fit; ``cursor`` is the address last leased. Raises ``Unavailable`` when the host cannot."""
        ...

    async def settle(self) -> set[str]:
        """Make what all its networks share fit exactly those that are open: after the start's last, and when somebody
        may have taken it away. The ids of the networks for which it was otherwise.
        """
        ...

    def plan(self, network: Network, container_id: str, request: EndpointRequest) -> Endpoint:
        """Set aside what ``request`` asks for. ``Unsupported``, ``InvalidParameter``, ``SystemFault`` (port taken)."""
        ...

    def interface_prefix(self, network: Network) -> str:
        """How interfaces of the network are called in containers, before their number."""
        ...

    def cursor(self, network: Network) -> int:
        """The address leased last, as a number: kept with the record, so that a restart does not reuse addresses."""
        ...

    def release(self, network: Network, endpoint: Endpoint) -> None:
        """Give back what ``plan`` (or ``open``) set aside for ``endpoint``."""
        ...

    async def attach(self, network: Network, endpoint: Endpoint, sandbox: Path, default: Sequence[int]) -> None:
        """Join the network namespace mounted at ``sandbox`` to the network.

        For the IP versions in ``default`` the namespace's default route leads here from now on.
        """
        ...

    def reserve(
        self, network: Network, endpoint: Endpoint, requests: Sequence[PortRequest]
    ) -> tuple[PublishedPort, ...]:
        """Set ports of the host aside, besides those ``plan`` did, for ``republish``; it raises what ``plan`` does."""
        ...

    def give_up(self, network: Network, ports: tuple[PublishedPort, ...]) -> None:
        """Give back ports that are set aside and published no longer."""
        ...

    async def republish(self, network: Network, endpoint: Endpoint, ports: tuple[PublishedPort, ...]) -> Endpoint:
        """Publish exactly ``ports`` from now on; those that come are set aside already, those that go stay so."""
        ...

    async def detach(self, network: Network, endpoint: Endpoint, sandbox: Path, *, alive: bool = False) -> None:
        """Take the endpoint, of the namespace at ``sandbox`` if that is still there, off the network: when this returns
        nothing passes any more.

        ``alive``: its container goes on without it, and is to see that at once.
        """
        ...

    async def mend(self, network: Network) -> list[str]:
        """Make anew what somebody else took away of the network itself: what that was, in words."""
        ...

    async def lost(self, network: Network, endpoint: Endpoint) -> bool:
        """Whether somebody else took away what ``attach`` made: it may be called again then."""
        ...

    async def leave(self, network: Network) -> None:
        """Let go of the network and leave it to its containers: the next daemon opens it again."""
        ...

    async def close(self, network: Network) -> None:
        """Remove the network's kernel state; it has no endpoints any more."""
        ...
