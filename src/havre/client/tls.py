"""TLS to a tcp:// daemon. Imported only then: ``ssl`` is far too slow to load for a unix socket.

The session runs over memory buffers, not ``SSLSocket``: an attached stdin must be able to end (close_notify) while
output goes on, and ``SSLSocket`` cannot end one direction alone.
"""

from __future__ import annotations

import socket
import ssl
import threading

from havre.client.errors import DaemonUnreachable
from havre.client.hosts import TlsFiles

_READ = 65536


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """The context docker's client would use: ``verify`` off accepts any certificate, on checks against ``ca``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if not files.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif files.ca:
            context.load_verify_locations(files.ca)
        else:
            context.load_default_certs()
        if files.cert:
            context.load_cert_chain(files.cert, files.key or None)
    except (OSError, ssl.SSLError) as error:
        raise DaemonUnreachable(
            f"unable to read the TLS files ({files.ca} {files.cert} {files.key}): {error}"
        ) from error
    return context


class TlsSocket:
    """A connected socket with TLS on it. One thread may read while another writes; ``shutdown(SHUT_WR)`` ends
    our direction.
    """

    def __init__(self, stream: socket.socket, name: str, files: TlsFiles) -> None:
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = client_context(files).wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._lock = threading.Lock()
        try:
            while True:
                try:
                    self._session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    self._flush()
                    self._feed()
            self._flush()
        except ssl.SSLError as error:
            raise DaemonUnreachable(f"error during TLS handshake with {name}: {error.reason or error}") from error

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._stream.sendall(self._outgoing.read())

    def _feed(self) -> None:
        data = self._stream.recv(_READ)
        with self._lock:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def recv(self, size: int, /) -> bytes:
        while True:
            try:
                with self._lock:
                    return self._session.read(size)
            except ssl.SSLWantReadError:
                self._feed()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def sendall(self, data: bytes | bytearray | memoryview, /) -> None:
        view = memoryview(data)
        while view:
            with self._lock:
                view = view[self._session.write(view[:_READ]) :]
                encrypted = self._outgoing.read()
            self._stream.sendall(encrypted)

    def shutdown(self, how: int, /) -> None:
        if how != socket.SHUT_WR:
            self._stream.shutdown(how)
            return
        with self._lock:
            try:
                self._session.unwrap()
            except ssl.SSLError:
                # Our close_notify is written; the error says that theirs has not come yet, which is the point.
                pass
        self._flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def settimeout(self, seconds: float | None, /) -> None:
        self._stream.settimeout(seconds)

    def close(self) -> None:
        self._stream.close()
