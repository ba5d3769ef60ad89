"""Which daemon is meant: the global flags first, then HAVRE_HOST and DOCKER_HOST, then havre's own socket.

Docker's ``currentContext`` (config.json) is not followed: it names a dockerd. ``--context`` and ``DOCKER_CONTEXT``
are, because the user says so for this call.
"""

from __future__ import annotations

import os

from havre.client.hosts import DEFAULT, Endpoint, TlsFiles, parse_host
from havre.client.jsontext import loads
from havre.errors import InvalidParameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from havre.client.config import ConfigFile


def resolve(options: Any, config: ConfigFile, environ: Mapping[str, str]) -> Endpoint:
    """The endpoint to talk to. ``options`` has host (list), context, tls, tlsverify, tlscacert, tlscert, tlskey.

    Raises InvalidParameter for a bad address, several hosts, or a context that is not there.
    """
    if len(options.host) > 1:
        raise InvalidParameter("Specify only one -H")
    if options.host and options.context:
        raise InvalidParameter("conflicting options: cannot specify both --host and --context")
    host = options.host[0] if options.host else ""
    if not host and options.context:
        return _from_context(options.context, config)
    if not host:
        host = environ.get("HAVRE_HOST", "") or environ.get("DOCKER_HOST", "")
    if not host and (name := environ.get("DOCKER_CONTEXT", "")):
        return _from_context(name, config)
    host = host or DEFAULT
    if host.startswith("unix://"):
        return parse_host(host)
    return parse_host(host, _tls(options, config, environ))


def _tls(options: Any, config: ConfigFile, environ: Mapping[str, str]) -> TlsFiles | None:
    verify = options.tlsverify if options.changed("tlsverify") else bool(environ.get("DOCKER_TLS_VERIFY", ""))
    if not (options.tls or verify or environ.get("DOCKER_TLS", "")):
        return None
    folder = environ.get("DOCKER_CERT_PATH", "") or config.directory
    ca, cert, key = (
        given or _if_there(os.path.join(folder, name))
        for given, name in (
            (options.tlscacert, "ca.pem"),
            (options.tlscert, "cert.pem"),
            (options.tlskey, "key.pem"),
        )
    )
    return TlsFiles(ca, cert, key, verify)


def _if_there(path: str) -> str:
    return path if os.path.exists(path) else ""


def _from_context(name: str, config: ConfigFile) -> Endpoint:
    if name == "default":
        return parse_host(DEFAULT)
    from hashlib import sha256

    folder = sha256(name.encode()).hexdigest()
    try:
        with open(os.path.join(config.directory, "contexts", "meta", folder, "meta.json"), "rb") as file:
            docker = loads(file.read())["Endpoints"]["docker"]
            host = docker["Host"]
    except FileNotFoundError:
        raise InvalidParameter(f'context "{name}": context not found') from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InvalidParameter(f'context "{name}": unable to read it: {error}') from error
    certificates = os.path.join(config.directory, "contexts", "tls", folder, "docker")
    if not os.path.isdir(certificates):
        return parse_host(host)
    ca, cert, key = (_if_there(os.path.join(certificates, file)) for file in ("ca.pem", "cert.pem", "key.pem"))
    return parse_host(host, TlsFiles(ca, cert, key, not docker.get("SkipTLSVerify", False)))
