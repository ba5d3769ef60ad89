"""Syslog: RFC 3164 and RFC 5424 over UDP, TCP, TLS and unix sockets, as dockerd writes it."""

import calendar
import os
import socket
import ssl
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from havre.logs.writer.lines import Message

LOCAL = ("/dev/log", "/var/run/syslog", "/var/run/log")
_PATIENCE = 10.0
_INFO, _ERR = 6, 3


class Syslog:
    """One connection. ``config`` has ``protocol`` (udp, tcp, tcp+tls, unix, unixgram, or "" for the host's own),
    ``address``, ``facility``, ``format``, ``tag`` and the files of TLS.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._facility = int(config["facility"])
        self._tag = str(config["tag"])
        self._format = str(config["format"])
        self._datagrams = False
        self._hostname = socket.gethostname() or "-"
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        self.close()
        protocol, address = self._config["protocol"], self._config["address"]
        if protocol == "":
            self._socket = self._local()
        elif protocol in ("unix", "unixgram"):
            self._socket = _unix(address, datagrams=protocol == "unixgram")
        else:
            self._socket = self._network(protocol, address)
        self._datagrams = self._socket.type == socket.SOCK_DGRAM

    def send(self, messages: Sequence[Message]) -> None:
        if self._socket is None:
            self.connect()
        assert self._socket is not None
        lines = [self._line(one) for one in messages if one.text != b"\n"]
        if not self._datagrams:
            self._look_for_the_end()
            self._socket.sendall(b"".join(lines))
            return
        for line in lines:
            try:
                self._socket.send(line)
            except ConnectionRefusedError:
                # UDP tells of a receiver that is not there by the next message; it is not told of the last one either.
                if self._config["protocol"] != "udp":
                    raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _local(self) -> socket.socket:
        for datagrams in (True, False):
            for path in LOCAL:
                try:
                    return _unix(path, datagrams=datagrams)
                except OSError:
                    continue
        raise OSError("Unix syslog delivery error")

    def _network(self, protocol: str, address: list[Any]) -> socket.socket:
        host, port = str(address[0]), int(address[1])
        words = f"dial {'udp' if protocol == 'udp' else 'tcp'} {host}:{port}"
        # Read first: a certificate that is not there is told before a receiver that is not.
        context = self._context() if protocol == "tcp+tls" else None
        if protocol == "udp":
            return _datagram_socket(host, port, words)
        try:
            connection = socket.create_connection((host, port), _PATIENCE)
        except (OSError, UnicodeError) as error:
            raise OSError(f"{words}: {_reason(error, host)}") from None
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if context is not None:
            try:
                return context.wrap_socket(connection, server_hostname=host)
            except (OSError, ssl.CertificateError) as error:
                connection.close()
                raise OSError(f"tls: failed to verify certificate: {error}") from None
        return connection

    def _context(self) -> ssl.SSLContext:
        ca, cert, key = self._config["ca"], self._config["cert"], self._config["key"]
        context = ssl.create_default_context()
        if ca:
            try:
                context.load_verify_locations(ca)
            except FileNotFoundError:
                raise OSError(f'could not read CA certificate "{ca}": open {ca}: no such file or directory') from None
            except (OSError, ssl.SSLError) as error:
                raise OSError(f'failed to append certificates from PEM file: "{ca}": {error}') from None
        if cert:
            try:
                context.load_cert_chain(cert, key or None)
            except (OSError, ssl.SSLError) as error:
                raise OSError(f'could not load X509 key pair (cert: "{cert}", key: "{key}"): {error}') from None
        if self._config["skip_verify"]:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _look_for_the_end(self) -> None:
        """Find out that the receiver has closed before bytes are given to a connection that nobody reads."""
        assert self._socket is not None
        self._socket.settimeout(0)
        try:
            if self._socket.recv(4096) == b"":
                raise ConnectionResetError("the receiver has closed the connection")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            self._socket.settimeout(_PATIENCE)

    def _line(self, message: Message) -> bytes:
        priority = self._facility << 3 | (_ERR if message.stream == b"stderr" else _INFO)
        text = message.text if message.text.endswith(b"\n") else message.text + b"\n"
        seconds = _seconds(message.time[:19])
        tag, pid = self._tag, os.getpid()
        if self._format in ("rfc5424", "rfc5424micro"):
            fraction = f".{message.time[20:26].decode()}" if self._format == "rfc5424micro" else ""
            stamp = time.strftime(f"%Y-%m-%dT%H:%M:%S{fraction}Z", time.gmtime(seconds))
            head = f"<{priority}>1 {stamp} {self._hostname} {tag} {pid} {tag} - "
        else:
            now = time.localtime(seconds)
            stamp = f"{time.strftime('%b', now)} {now.tm_mday:2d} {time.strftime('%H:%M:%S', now)}"
            host = f" {self._hostname}" if self._format == "rfc3164" else ""
            head = f"<{priority}>{stamp}{host} {tag}[{pid}]: "
        line = head.encode() + text
        if self._config["protocol"] == "tcp+tls" and self._format.startswith("rfc5424"):
            # RFC 5425: the length stands before each message.
            return b"%d %b" % (len(line), line)
        return line


def _unix(path: str, *, datagrams: bool) -> socket.socket:
    kind, word = (socket.SOCK_DGRAM, "unixgram") if datagrams else (socket.SOCK_STREAM, "unix")
    connection = socket.socket(socket.AF_UNIX, kind)
    connection.settimeout(_PATIENCE)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise OSError(f"dial {word} {path}: connect: {_reason(error, path)}") from None
    return connection


def _datagram_socket(host: str, port: int, words: str) -> socket.socket:
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        connection = socket.socket(family, kind, protocol)
        connection.connect(target)
    except (OSError, UnicodeError) as error:
        raise OSError(f"{words}: {_reason(error, host)}") from None
    connection.settimeout(_PATIENCE)
    return connection


def _reason(error: OSError | UnicodeError, host: str) -> str:
    # A name that no resolver can be asked for fails before one is.
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"lookup {host}: no such host"
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    text = (error.strerror or str(error)).lower()
    return text if host.startswith("/") else f"connect: {text}"


@lru_cache(maxsize=4)
def _seconds(stamp: bytes) -> int:
    # Most lines are of the second of the one before.
    return calendar.timegm(time.strptime(stamp.decode(), "%Y-%m-%dT%H:%M:%S"))
