"""The door's connection beneath a request: what it may keep from aiohttp's parser, and what not."""

import pytest
from aiohttp.web_protocol import RequestHandler

from havre.api.connection import Connection


@pytest.mark.parametrize("body_left", [0, 5])
def test_the_parsers_own_call_to_go_on_reaches_it(monkeypatch: pytest.MonkeyPatch, body_left: int) -> None:
    """A parser that paused for a slow reader is resumed with no bytes; kept back, the end of the body never came."""
    parsed: list[bytes] = []
    monkeypatch.setattr(RequestHandler, "data_received", lambda self, data: parsed.append(data))
    connection = Connection.__new__(Connection)
    connection._held = bytearray()
    connection._body_left = body_left
    connection._answered = False
    connection._unframed = False
    connection.data_received(b"")
    assert parsed == [b""]
