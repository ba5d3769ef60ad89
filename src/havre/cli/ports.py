"""Port notations: ``-p [IP:][HOST[-HOST]:]PORT[-PORT][/PROTO]``, the ``published=,target=`` form, and ``--expose``."""

from __future__ import annotations

_PROTOCOLS = ("tcp", "udp", "sctp")


def publications(specs: list[str]) -> dict[str, list[dict[str, str]]]:
    """The API's PortBindings: ``{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}``. Raises ValueError with
    Docker's text.
    """
    bindings: dict[str, list[dict[str, str]]] = {}
    for spec in [_short_form(spec) if "=" in spec else spec for spec in specs]:
        for port, address, host in parse_publication(spec):
            bindings.setdefault(port, []).append({"HostIp": address, "HostPort": host})
    return bindings


def _short_form(spec: str) -> str:
    values = {"protocol": "tcp", "published": "", "target": ""}
    for field in spec.split(","):
        name, equals, value = field.partition("=")
        if not equals or not name:
            raise ValueError(f"invalid publish opts format (should be name=value but got '{field}')")
        values[name] = value
    return f"{values['published']}:{values['target']}/{values['protocol']}"


def parse_publication(spec: str) -> list[tuple[str, str, str]]:
    """One short form → (port/proto, host address or "", host port, range or "") for each container port."""
    address, host, container = _three_parts(spec)
    container, protocol = _without_protocol(container)
    protocol = (protocol or "tcp").lower()
    address = _checked_address(address)
    if not container:
        raise ValueError(f"no port specified: {spec}<empty>")
    try:
        first, last = _range(container)
    except ValueError:
        raise ValueError(f"invalid containerPort: {container}") from None
    try:
        host_first, host_last = _range(host) if host else (0, last - first)
    except ValueError:
        raise ValueError(f"invalid hostPort: {host}") from None
    # One container port and several host ports: the daemon takes a free one of them.
    one_of_several = first == last and host_first != host_last
    if last - first != host_last - host_first and not one_of_several:
        raise ValueError(f"invalid ranges specified for container and host Ports: {container} and {host}")
    if protocol not in _PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol}")
    if one_of_several:
        return [(f"{first}/{protocol}", address, f"{host_first}-{host_last}")]
    shift = host_first - first
    return [(f"{port}/{protocol}", address, str(port + shift) if host else "") for port in range(first, last + 1)]


def exposures(specs: list[str]) -> list[str]:
    """``--expose`` values → ``["80/tcp", …]``. Raises ValueError with Docker's text."""
    out: list[str] = []
    for spec in specs:
        ports, protocol = _without_protocol(spec)
        if ":" in spec:
            raise ValueError(f"invalid port format for --expose: {spec}")
        try:
            first, last = _range(ports)
        except ValueError as error:
            raise ValueError(f"invalid range format for --expose: {spec}, error: {error}") from None
        out.extend(f"{port}/{protocol or 'tcp'}" for port in range(first, last + 1))
    return out


def _without_protocol(text: str) -> tuple[str, str]:
    """The port and the protocol behind it; what follows a second slash is not looked at."""
    port, *rest = text.split("/")
    return port, rest[0] if rest else ""


def _three_parts(spec: str) -> tuple[str, str, str]:
    parts = spec.split(":")
    if len(parts) == 1:
        return "", "", parts[0]
    return ":".join(parts[:-2]), parts[-2], parts[-1]


def _checked_address(address: str) -> str:
    if not address:
        return ""
    if address.startswith("["):
        bare, bracket, rest = address[1:].partition("]")
        if not bracket or rest:
            why = "missing ']'" if not bracket else "too many colons" if rest[0] == ":" else "missing port"
            raise ValueError(f"invalid IP address {address}: address {address}:: {why} in address")
        address = bare
        if not address:
            return ""
    if not is_address(address):
        raise ValueError(f"invalid IP address: {address}")
    return address


def is_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address, without brackets or zone."""
    import _socket

    family = _socket.AF_INET6 if ":" in text else _socket.AF_INET
    try:
        _socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


def _range(text: str) -> tuple[int, int]:
    if not text:
        raise ValueError("empty string specified for ports")
    first, dash, last = text.partition("-")
    start = _number(first)
    end = _number(last) if dash else start
    if end < start:
        raise ValueError(f"invalid range specified for port: {text}")
    return start, end


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if len(text) > 10 or int(text) > 65535:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)
