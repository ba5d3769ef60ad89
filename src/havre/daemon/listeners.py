"""The sockets the daemon listens on: unix, TCP with or without TLS, and those systemd hands over."""

import contextlib
import grp
import ipaddress
import logging
import os
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from havre.daemon.config import Config
from havre.errors import Conflict, InvalidParameter

log = logging.getLogger(__name__)

_BACKLOG = 1024
_FIRST_ACTIVATION_FD = 3
_DEFAULT_GROUP = "havre"
_PORT, _TLS_PORT = 2375, 2376


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound, listening socket. ``path`` is what to remove at the end, for a unix socket we made."""

    address: str
    socket: socket.socket
    tls: ssl.SSLContext | None = None
    path: Path | None = None

    def close(self) -> None:
        """Stop listening and remove the file."""
        self.socket.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def open_all(config: Config) -> list[Listener]:
    """Open every address of ``config``, or none. Raises with the address in the text."""
    with contextlib.ExitStack() as undo:
        listeners = []
        for address in config.addresses:
            for listener in _open(address, config):
                undo.callback(listener.close)
                listeners.append(listener)
        undo.pop_all()
    return listeners


def _open(address: str, config: Config) -> Iterator[Listener]:
    scheme, separator, rest = address.partition("://")
    if not separator:
        raise InvalidParameter(f"invalid host {address!r}: must begin with unix://, tcp:// or fd://")
    match scheme:
        case "unix":
            path = Path(rest) if rest else config.exec_root / "havre.sock"
            yield Listener(address, _unix(path, config.group), path=path)
        case "tcp":
            yield _tcp(address, rest, config)
        case "fd":
            yield from _activated(address, rest.removeprefix("/"))
        case _:
            raise InvalidParameter(f"invalid host {address!r}: must begin with unix://, tcp:// or fd://")


def _unix(path: Path, group: str) -> socket.socket:
    if not path.is_absolute():
        raise InvalidParameter(f"invalid host unix://{path}: the path must be absolute")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path)
    gid = _group_id(group)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mask, not a later chmod: nobody may connect in between.
    mask = os.umask(0o777 & ~0o660)
    try:
        sock.bind(str(path))
        os.chown(path, 0 if os.geteuid() == 0 else -1, gid)
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(mask)
    return sock


def _remove_stale(path: Path) -> None:
    """Remove a socket nobody listens on any more. ``Conflict`` when somebody does, or when it is no socket."""
    if not os.path.lexists(path):
        return
    if not path.is_socket():
        raise Conflict(f"can't create unix socket {path}: a file that is no socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
        except OSError as error:
            raise Conflict(f"can't create unix socket {path}: {error.strerror}") from None
        else:
            raise Conflict(f"can't create unix socket {path}: another process listens on it")


def _group_id(name: str) -> int:
    """The group of the socket. A group that was asked for must exist; the default one need not."""
    if name.isdecimal():
        return int(name)
    try:
        return grp.getgrnam(name or _DEFAULT_GROUP).gr_gid
    except KeyError:
        if name:
            raise InvalidParameter(f"group {name} not found") from None
        log.debug("there is no group %s: the socket belongs to the group of the process", _DEFAULT_GROUP)
        return os.getegid()


def _tcp(address: str, rest: str, config: Config) -> Listener:
    encrypted = config.tls or config.tlsverify
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:/\[\]]*))(?::([0-9]{1,5}))?/?", rest)
    port = int(match[3] or (_TLS_PORT if encrypted else _PORT)) if match else 0
    if match is None or port > 65_535:
        raise InvalidParameter(f"invalid host {address!r}: must be tcp://host:port")
    host = match[1] or match[2] or "127.0.0.1"
    if not encrypted and not _is_loopback(host):
        raise InvalidParameter(
            f"refusing to listen on {address} without TLS: whoever reaches it is root on this host. "
            "Use --tlsverify with --tlscacert, --tlscert and --tlskey, or listen on 127.0.0.1"
        )
    try:
        family, *_, sockaddr = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.create_server(sockaddr[:2], family=family, backlog=_BACKLOG, reuse_port=False)
    except OSError as error:
        raise Conflict(f"cannot listen on {address}: {error.strerror or error}") from None
    return Listener(address, sock, _tls_context(config) if encrypted else None)


def _is_loopback(host: str) -> bool:
    """Whether every address behind ``host`` is the loopback."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in found)


def _tls_context(config: Config) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(config.tlscert, config.tlskey)
        if config.tlsverify:
            context.load_verify_locations(config.tlscacert)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise InvalidParameter(f"cannot use the TLS files: {error}") from None
    return context


def _activated(address: str, wanted: str) -> Iterator[Listener]:
    """The sockets systemd passed: all of them, or the one ``wanted`` by number or name."""
    passed = os.environ.get("LISTEN_PID") == str(os.getpid())
    count = int(os.environ.get("LISTEN_FDS", "0")) if passed else 0
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    found = 0
    for index in range(count):
        fd = _FIRST_ACTIVATION_FD + index
        os.set_inheritable(fd, False)
        name = names[index] if index < len(names) else ""
        if wanted not in ("", "*", str(fd), name):
            continue
        try:
            sock = socket.socket(fileno=os.dup(fd))
        except OSError as error:
            raise InvalidParameter(f"{address}: descriptor {fd} is no socket: {error.strerror}") from None
        found += 1
        yield Listener(f"fd://{fd}", sock)
    if not found:
        raise InvalidParameter(
            f"{address}: no sockets found via socket activation: make sure the service was started by systemd"
        )
