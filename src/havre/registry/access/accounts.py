"""The accounts of this registry: users of the htpasswd file and robots, how they sign in, and what they may do."""

import time
from collections.abc import Callable

from havre.registry.access import robots
from havre.registry.access.guessing import Guessing
from havre.registry.access.passwords import PasswordCheck
from havre.registry.access.robots import Robots
from havre.registry.access.rules import ADMIN, Rules, union
from havre.registry.errors import TooManyRequests
from havre.registry.identity import ROBOT, USER, Identity


class WrongCredentials(Exception):
    """No such account, or not its password: nobody is told which."""


class Accounts:
    """``robots`` and ``rules`` give what the files say at that moment; without ``check`` there are no users."""

    def __init__(
        self,
        check: PasswordCheck | None,
        robots: Callable[[], Robots],
        rules: Callable[[], Rules],
        guessing: Guessing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._check = check
        self._robots = robots
        self._rules = rules
        self._guessing = guessing
        self._clock = clock

    async def sign_in(self, name: str, secret: str, address: str) -> Identity:
        """Who it is. WrongCredentials, or TooManyRequests when ``address`` has guessed too often."""
        self._refuse_guessing(address, name)
        if name.startswith(robots.PREFIX):
            identity = Identity(ROBOT, name.removeprefix(robots.PREFIX))
            fits = robots.matches(self._robots(), identity.name, secret, self._clock())
        else:
            identity = Identity(USER, name)
            fits = self._check is not None and await self._check.matches(name, secret)
        if not fits:
            self._guessing.failed(address, name)
            raise WrongCredentials
        # Of guesses sent all at once, only so many count as well.
        self._refuse_guessing(address, name)
        return identity

    def fingerprint(self, identity: Identity) -> str | None:
        """A word that changes with the account's secret; None when the account is gone."""
        if identity.is_anonymous:
            return ""
        if identity.kind == ROBOT:
            return robots.fingerprint(self._robots(), identity.name, self._clock())
        return self._check.fingerprint(identity.name) if self._check is not None and identity.kind == USER else None

    def granted(self, identity: Identity, repository: str) -> frozenset[str]:
        """All that ``identity`` may do in ``repository``: by the rules, and what a robot was made for."""
        granted = self._rules().granted(identity, repository)
        if identity.kind == ROBOT and (robot := self._robots().get(identity.name)) is not None:
            return granted | union([robot.grant] if robot.grant.covers(repository) else [])
        return granted

    def administers(self, identity: Identity) -> bool:
        """Whether ``identity`` may do what concerns no single repository."""
        robot = self._robots().get(identity.name) if identity.kind == ROBOT else None
        return self._rules().administers(identity) or (robot is not None and ADMIN in robot.grant.actions)

    def reads_something(self, identity: Identity) -> bool:
        """Whether the rules let ``identity`` read anything."""
        return self._rules().reads_something(identity)

    async def close(self) -> None:
        """Let go of the threads."""
        if self._check is not None:
            await self._check.close()

    def _refuse_guessing(self, address: str, name: str) -> None:
        if wait := self._guessing.wait(address, name):
            raise TooManyRequests("too many failed logins: try again later", wait)
