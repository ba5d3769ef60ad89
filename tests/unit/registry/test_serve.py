"""The socket: a client that takes nothing of what it asked for does not have its connection for ever."""

import errno
import socket

import pytest

from havre.registry import serve


def test_a_client_that_does_not_read_loses_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_STALLED", 500)
    with serve._listen("127.0.0.1", 0) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        connection, _ = listener.accept()
        with connection, pytest.raises(OSError) as failure:
            while True:
                connection.sendall(bytes(1 << 20))
        assert failure.value.errno == errno.ETIMEDOUT
