"""Serving: the socket, TLS, and the signals that end the process."""

import asyncio
import gc
import logging
import resource
import signal
import socket
import ssl

from havre.errors import Conflict, InvalidParameter
from havre.registry.app import Door
from havre.registry.assemble import Assembly
from havre.registry.config import Config

log = logging.getLogger(__name__)

_BACKLOG = 1024
# Bytes the kernel takes for a client beyond what its window lets it send. Without a bound it takes megabytes for each
# of many clients, and they have left the processor's cache before they are read: blobs go out a quarter slower.
_UNSENT = 256 * 1024
# A client that takes nothing for so long has gone, or means to hold the blob and the connection for ever (ms).
_STALLED = 600_000
_DESCRIPTORS = 65_536
# Requests that have not ended by then are cut off; an upload keeps what has come of it.
_DRAIN_SECONDS = 5.0


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    _raise_descriptors()
    context = _tls(config)
    listener = _listen(*config.host_and_port)
    assembly = Assembly(config)
    try:
        await assembly.start()
        door = Door(assembly.registry)
        # For asyncio the backlog is also how often it tries to accept in one go: out of descriptors, it fails and
        # starts a timer each time, and the registry does nothing else any more.
        server = await loop.create_server(door, sock=listener, ssl=context, backlog=1)
        listener.listen(_BACKLOG)
        gc.collect()
        gc.freeze()
        host, port, *_ = listener.getsockname()
        log.info("serving %s on %s port %d", config.root, "https" if context else f"http, host {host},", port)
        await ended.wait()
        server.close()
        door.pre_shutdown()
        await door.shutdown(_DRAIN_SECONDS)
    finally:
        await assembly.stop()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        both = family == socket.AF_INET6 and not host and socket.has_dualstack_ipv6()
        listener = socket.create_server(address[:2], family=family, backlog=_BACKLOG, dualstack_ipv6=both)
        # Accepted connections inherit these.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        return listener
    except OSError as error:
        raise Conflict(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def _tls(config: Config) -> ssl.SSLContext | None:
    if not config.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    authority = config.access.client_ca
    files = "tls-cert and tls-key"
    try:
        # Of a file that cannot be read, the errors of OpenSSL do not say which it was.
        for path in filter(None, (config.tls_cert, config.tls_key, authority)):
            with open(path, "rb"):
                pass
        context.load_cert_chain(config.tls_cert, config.tls_key)
        if authority:
            files = "client-ca"
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(authority)
    except ssl.SSLError as error:
        raise InvalidParameter(f"cannot use {files}: {error.reason or error}") from None
    except OSError as error:
        raise InvalidParameter(f"cannot read {error.filename}: {error.strerror}") from None
    return context


def _raise_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
