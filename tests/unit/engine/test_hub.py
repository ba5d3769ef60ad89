"""Who listens to a process, with a socket in conmon's place."""

import asyncio
import logging
import socket
from pathlib import Path

import pytest

from havre.engine.container.hub import Hubs, Listener


async def test_the_last_listener_is_gone_while_it_is_written_to(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written = asyncio.Event()

    async def gone(_: bytes) -> None:
        written.set()
        raise ConnectionResetError

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as conmon:
        conmon.bind(str(tmp_path / "attach"))
        conmon.listen()
        hubs = Hubs()
        hubs.started("c", tmp_path, keep_open=False)
        hub = hubs.get("c")
        assert hub is not None
        for _ in range(2):
            written.clear()
            listener = Listener(gone, True, True, False, asyncio.Event())
            hub.open()
            hub.listen(listener)
            with conmon.accept()[0] as connection:
                connection.send(b"\2out")
                await written.wait()
                await listener.ended.wait()
                assert await asyncio.to_thread(connection.recv, 1) == b""
        with caplog.at_level(logging.WARNING):
            await hubs.close()
    assert caplog.messages == []
