"""Robot accounts."""

import pytest

from havre.errors import Conflict, InvalidParameter, NotFound
from havre.registry.access import robots
from havre.registry.access.rules import parse_grant

GRANT = parse_grant(["team/*"], ["write", "delete"], "test")


def test_a_robot_comes_in_with_its_secret_until_it_expires_or_is_revoked() -> None:
    there, secret = robots.create({}, "ci", GRANT, now=1000, lifetime=60)
    assert robots.matches(there, "ci", secret, 1059)
    assert not robots.matches(there, "ci", secret, 1060)
    assert not robots.matches(there, "ci", secret + "x", 1000)
    assert not robots.matches(there, "other", secret, 1000)
    assert not robots.matches(robots.revoke(there, "robot+ci"), "ci", secret, 1000)
    assert robots.fingerprint(there, "ci", 1059)
    assert robots.fingerprint(there, "ci", 1060) is None


def test_the_secret_is_not_in_the_file_which_reads_back() -> None:
    there, secret = robots.create({}, "ci", GRANT, now=1000)
    text = robots.render(there)
    assert secret not in text
    assert robots.parse(text, "f") == there
    assert robots.matches(robots.parse(text, "f"), "ci", secret, 1e12)
    assert robots.action_words(there["ci"].grant) == ["read", "write", "delete"]


def test_mistakes_are_named() -> None:
    there, _secret = robots.create({}, "ci", GRANT, now=1000)
    with pytest.raises(Conflict, match="'ci'"):
        robots.create(there, "ci", GRANT, now=1000)
    with pytest.raises(NotFound, match="cd"):
        robots.revoke(there, "cd")
    for name in ("", "A", "a b", "-a", "a\n", "x" * 65):
        with pytest.raises(InvalidParameter, match="invalid robot name"):
            robots.create({}, name, GRANT, now=1000)
    for text in ("{", "{}", '[{"name": "a"}]', '["a"]'):
        if text == "{}":
            assert robots.parse(text, "f") == {}
        else:
            with pytest.raises(InvalidParameter, match="f is damaged"):
                robots.parse(text, "f")
