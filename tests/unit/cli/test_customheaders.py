"""``DOCKER_CUSTOM_HEADERS``."""

import pytest
from tests.fakes.daemon import FakeDaemon
from tests.unit.cli.conftest import Havre

from havre.cli.customheaders import read
from havre.cli.errors import CommandError


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("A=1,B=2", {"A": "1", "B": "2"}),
        (" A = 1 ", {"A": "1"}),
        ('"A=1,2",B=', {"A": "1,2", "B": ""}),
        ("A=1,A=2", {"A": "2"}),
    ],
)
def test_what_is_read(text: str, headers: dict[str, str]) -> None:
    assert read(text) == headers


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("foo", "failed to set .*: missing \"=\" in key=value pair: 'foo'"),
        ("=x", "failed to set .*: value contains a key=value pair with an empty key: '=x'"),
        ('"', "failed to parse .*: value must be formatted as comma-separated key=value pairs"),
    ],
)
def test_what_is_malformed(text: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        read(text)


def test_every_request_has_them(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/containers/json", json=[])
    havre.config('{"HttpHeaders": {"X-Mine": "a", "X-Both": "b"}}')
    assert havre("ps", env={"DOCKER_CUSTOM_HEADERS": "X-Both=c,User-Agent=d"}).code == 0
    headers = daemon.requests[0].headers
    assert (headers["x-mine"], headers["x-both"]) == ("a", "c")
    assert headers["user-agent"].startswith("havre/")
