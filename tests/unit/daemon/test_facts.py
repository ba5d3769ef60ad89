"""What the engine tells of its configuration."""

import pytest

from havre.daemon.config import Config
from havre.daemon.facts import exposed


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (Config(), []),
        (Config(hosts=("unix:///s", "tcp://0.0.0.0:2375")), [("0.0.0.0:2375", False)]),
        (Config(hosts=("tcp://h:1", "tcp://h:2"), tls=True), [("h:1", True), ("h:2", True)]),
        (Config(hosts=("tcp://h:1",), tls=True, tlsverify=True), []),
    ],
)
def test_doors_that_are_open(config: Config, found: list[tuple[str, bool]]) -> None:
    assert exposed(config) == found
