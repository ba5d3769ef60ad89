"""Wait: ``POST /containers/{id}/wait``. Registered at once, answered when the condition comes true."""

import asyncio
from dataclasses import dataclass

from havre.engine.container.record import RESTARTING, Container
from havre.errors import InvalidParameter

NOT_RUNNING, NEXT_EXIT, REMOVED = "not-running", "next-exit", "removed"


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a container ended."""

    code: int
    error: str | None = None


class Waiter:
    """One registered wait."""

    def __init__(self, condition: str, future: "asyncio.Future[ExitStatus]") -> None:
        self.condition = condition
        self.future = future

    async def result(self) -> ExitStatus:
        """The exit status, once the condition is true."""
        return await self.future

    def cancel(self) -> None:
        """Nobody waits any more."""
        self.future.cancel()

    def fulfil(self, status: ExitStatus) -> None:
        if not self.future.done():
            self.future.set_result(status)

    @property
    def done(self) -> bool:
        return self.future.done()


class Waits:
    """All waits, by container."""

    def __init__(self) -> None:
        self._waiters: dict[str, list[Waiter]] = {}

    def register(self, container: Container, condition: str) -> Waiter:
        """Wait for ``not-running`` (the default), ``next-exit`` or ``removed``."""
        condition = condition or NOT_RUNNING
        if condition not in (NOT_RUNNING, NEXT_EXIT, REMOVED):
            raise InvalidParameter(f'invalid condition: "{condition}"')
        waiter = Waiter(condition, asyncio.get_running_loop().create_future())
        state = container.state
        if condition == NOT_RUNNING and not state.running and state.status != RESTARTING:
            waiter.fulfil(ExitStatus(state.exit_code, state.error or None))
            return waiter
        waiters = self._waiters.setdefault(container.id, [])
        waiters[:] = [one for one in waiters if not one.done]
        waiters.append(waiter)
        return waiter

    def exited(self, container_id: str, status: ExitStatus) -> None:
        """The process has ended. That it will be restarted makes no difference, as with dockerd."""
        for waiter in self._waiters.get(container_id, []):
            if waiter.condition != REMOVED:
                waiter.fulfil(status)

    def removed(self, container_id: str, status: ExitStatus) -> None:
        """The container is gone: that answers everybody."""
        for waiter in self._waiters.pop(container_id, []):
            waiter.fulfil(status)

    def failed(self, container_id: str, error: str) -> None:
        """The container could not be removed: those who wait for that are told."""
        for waiter in self._waiters.get(container_id, []):
            if waiter.condition == REMOVED and not waiter.done:
                waiter.fulfil(ExitStatus(0, error))
