"""Whom a registry's connection trusts: authorities and our own certificates, by host, as TLS settings.

Files are Docker's: in ``/etc/docker/certs.d/<host>`` ``*.crt`` are authorities, ``*.cert`` with ``*.key`` our own
certificates. ``transport`` comes in for the settings, ``config`` says which files belong to a host.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from havre.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class Trust:
    """The files of one host, besides the system's authorities; ``directory`` is laid out as in certs.d."""

    directory: Path | None = None
    ca: str = ""
    cert: str = ""
    key: str = ""

    def __bool__(self) -> bool:
        return self != Trust()

    def authorities(self) -> list[Path]:
        found = sorted(self.directory.glob("*.crt")) if self.directory else []
        return [*found, *([Path(self.ca)] if self.ca else [])]

    def certificates(self) -> list[tuple[Path, Path]]:
        """Our own certificates, each with its key. Raises ``InvalidParameter`` for one without the other."""
        found = [(path, path.with_suffix(".key")) for path in self._listed("*.cert")]
        for path, key in found:
            if not key.exists():
                raise InvalidParameter(
                    f"missing key {key.name} for client certificate {path.name}. "
                    "CA certificates must use the extension .crt"
                )
        for key in self._listed("*.key"):
            if not key.with_suffix(".cert").exists():
                raise InvalidParameter(f"missing client certificate {key.with_suffix('.cert').name} for key {key.name}")
        return [*found, *([(Path(self.cert), Path(self.key or self.cert))] if self.cert else [])]

    def context(self, verify: bool) -> ssl.SSLContext:
        """TLS settings with all of them. Raises ``InvalidParameter`` when a file is of no use."""
        where = self.directory or ", ".join(filter(None, (self.ca, self.cert, self.key)))
        try:
            context = ssl.create_default_context()
            for authority in self.authorities():
                context.load_verify_locations(authority)
            for certificate, key in self.certificates():
                context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise InvalidParameter(f"cannot use the certificates in {where}: {error}") from None
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def state(self) -> tuple[tuple[str, int], ...]:
        """What a change of the files changes."""
        files = [*self._listed("*"), *(Path(name) for name in (self.ca, self.cert, self.key) if name)]
        return tuple((str(path), _changed(path)) for path in files)

    def _listed(self, pattern: str) -> list[Path]:
        return sorted(self.directory.glob(pattern)) if self.directory else []


class Contexts:
    """TLS settings, made once for as long as their files stay as they are: connections are kept by them."""

    def __init__(self) -> None:
        self._made: dict[tuple[Trust, bool], tuple[object, ssl.SSLContext]] = {}

    def of(self, trust: Trust, verify: bool) -> ssl.SSLContext | bool:
        """As aiohttp takes them: plain True or False where no file says more."""
        if not trust:
            return verify
        state, (known, context) = trust.state(), self._made.get((trust, verify), (None, None))
        if context is None or known != state:
            context = trust.context(verify)
            self._made[trust, verify] = (state, context)
        return context


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _no_password() -> str:
    # Without this, OpenSSL would ask for one at the daemon's terminal.
    raise ValueError("the key is encrypted")
