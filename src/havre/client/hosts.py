"""Daemon addresses: what ``-H``, ``HAVRE_HOST`` and ``DOCKER_HOST`` may say, as a value the transport connects to."""

from __future__ import annotations

from havre.errors import InvalidParameter

DEFAULT = "unix:///run/havre/havre.sock"


class TlsFiles:
    """Paths of the client's TLS material; an empty path means none. ``verify`` checks the daemon's certificate."""

    __slots__ = ("ca", "cert", "key", "verify")

    def __init__(self, ca: str = "", cert: str = "", key: str = "", verify: bool = True) -> None:
        self.ca = ca
        self.cert = cert
        self.key = key
        self.verify = verify


class Endpoint:
    """Where the daemon listens. ``text`` is the address as written; ``path`` (unix) or ``name`` and ``port`` (tcp)."""

    __slots__ = ("name", "path", "port", "text", "tls")

    def __init__(self, text: str, path: str = "", name: str = "", port: int = 0, tls: TlsFiles | None = None) -> None:
        self.text = text
        self.path = path
        self.name = name
        self.port = port
        self.tls = tls

    @property
    def authority(self) -> str:
        """What an HTTP request says of the host it is for."""
        if self.path:
            return "localhost"
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


def parse_host(text: str, tls: TlsFiles | None = None) -> Endpoint:
    """``unix:///path``, ``tcp://name[:port]``, ``http://``, ``https://``, or ``name:port``.

    Raises InvalidParameter for other schemes, with ``ssh://`` and ``fd://`` named as what they are.
    """
    text = text.strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "tcp", text
    if scheme == "unix":
        path = rest or DEFAULT.removeprefix("unix://")
        return Endpoint(f"unix://{path}", path=path)
    if scheme == "ssh":
        raise InvalidParameter(
            f"{text}: ssh:// is not supported: forward the socket (ssh -L /tmp/havre.sock:/run/havre/havre.sock HOST) "
            "and use unix:///tmp/havre.sock"
        )
    if scheme not in ("tcp", "http", "https"):
        raise InvalidParameter(f"invalid host {text!r}: use unix://PATH or tcp://HOST:PORT")
    secure = tls or (TlsFiles() if scheme == "https" else None)
    name, port = _name_and_port(text, rest.split("/", 1)[0], 2376 if secure else 2375)
    return Endpoint(text if separator else f"tcp://{text}", name=name, port=port, tls=secure)


def _name_and_port(text: str, authority: str, default_port: int) -> tuple[str, int]:
    if authority.startswith("["):
        name, bracket, tail = authority[1:].partition("]")
        port = tail.removeprefix(":")
        if not bracket or (tail and not tail.startswith(":")):
            raise InvalidParameter(f"invalid host {text!r}: bad IPv6 address")
    else:
        name, _, port = authority.partition(":")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidParameter(f"invalid host {text!r}: bad port {port!r}")
    return name or "127.0.0.1", int(port) if port else default_port
