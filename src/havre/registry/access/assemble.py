"""Builds the gate, and the token server behind it, from the settings."""

import json
import tomllib
from pathlib import Path

from havre.errors import InvalidParameter
from havre.registry.access import htpasswd, robots
from havre.registry.access.accounts import Accounts
from havre.registry.access.budgets import Budgets
from havre.registry.access.challenges import BearerScheme
from havre.registry.access.foreign import ForeignTokens, load_trust
from havre.registry.access.gate import AccessGate
from havre.registry.access.guessing import Guessing
from havre.registry.access.limits import RateLimit, parse_rate
from havre.registry.access.passwords import PasswordCheck
from havre.registry.access.peers import Peers, parse_proxies
from havre.registry.access.rules import (
    Rules,
    everybody_signed_in,
    everything_for_everybody,
    parse_rules,
    reads_of_all,
)
from havre.registry.access.settings import AccessSettings
from havre.registry.access.signing import signing_key
from havre.registry.access.tokendoor import TokenDoor
from havre.registry.access.tokens import Tokens
from havre.registry.access.watched import WatchedFile
from havre.registry.app import Registry


def install(registry: Registry, settings: AccessSettings, root: Path) -> AccessGate:
    """Give ``registry`` its gate, and ``/token`` where that is the registry's own. Raises ``InvalidParameter``."""
    check = None
    if settings.htpasswd:
        users = WatchedFile(Path(settings.htpasswd), htpasswd.parse, must_exist=True)
        check = PasswordCheck(users.current)
    own_robots = WatchedFile(root / robots.FILE, robots.parse)
    accounts = Accounts(check, own_robots.current, _rules(settings), Guessing())
    peers = Peers(parse_proxies(settings.trusted_proxy), settings.public_url.rstrip("/"))
    budgets = Budgets(_limit(settings.rate_limit), _limit(settings.pull_limit))
    mode = settings.mode
    scheme = BearerScheme(settings.token_service, settings.token_realm) if mode in ("token", "external") else None
    own = Tokens(signing_key(root), settings.token_service) if mode == "token" else None
    foreign = None
    if mode == "external":
        trust = load_trust(_path(settings.token_certs), _path(settings.token_jwks))
        foreign = ForeignTokens(trust, settings.token_issuer, settings.token_service)
    gate = AccessGate(
        accounts,
        peers,
        budgets,
        passwords=mode in ("basic", "token"),
        scheme=scheme,
        reader=own or foreign,
        foreign=foreign is not None,
    )
    if own is not None:
        door = TokenDoor(accounts, own, peers)
        registry.add("GET", "/token", door.get)
        registry.add("POST", "/token", door.post)
    registry.gate = gate
    return gate


def _rules(settings: AccessSettings) -> "WatchedRules | FixedRules":
    if settings.mode in ("none", "external") and not settings.access:
        return FixedRules(everything_for_everybody())
    if not settings.access:
        return FixedRules(everybody_signed_in(anonymous_reads=settings.anonymous_read))
    return WatchedRules(Path(settings.access), anonymous_reads=settings.anonymous_read)


class FixedRules:
    """A table that stays as it is."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def __call__(self) -> Rules:
        return self._rules


class WatchedRules:
    """The table in a file."""

    def __init__(self, path: Path, *, anonymous_reads: bool) -> None:
        self._more = reads_of_all(anonymous_reads)
        self._file = WatchedFile(path, self._parse, must_exist=True)

    def __call__(self) -> Rules:
        return self._file.current()

    def _parse(self, text: str, where: str) -> Rules:
        try:
            data = json.loads(text) if where.endswith(".json") else tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidParameter(f"cannot read {where}: {error}") from None
        if not isinstance(data, dict):
            raise InvalidParameter(f"{where} holds no table of rules")
        return Rules((*parse_rules(data, where).rules, *self._more))


def _limit(text: str) -> RateLimit | None:
    return RateLimit(parse_rate(text)) if text else None


def _path(text: str) -> Path | None:
    return Path(text) if text else None
