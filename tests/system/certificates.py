"""A certificate authority of the tests' own, and certificates of it for servers on the loopback and for clients."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


@dataclass(frozen=True, slots=True)
class Authority:
    """``ca.crt`` in ``directory``, which nobody trusts yet."""

    directory: Path

    @property
    def certificate(self) -> Path:
        return self.directory / "ca.crt"

    def issue(self, name: str, *, address: str = "IP:127.0.0.1", days: int = 2) -> tuple[Path, Path]:
        """A certificate and its key; ``address`` is whom it is for."""
        certificate, key, request = (self.directory / f"{name}.{end}" for end in ("cert", "key", "csr"))
        extensions = self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={address}\n")
        _openssl(f"req {_KEY} -subj /CN={name}", "-keyout", key, "-out", request)
        signer = ["-CA", self.certificate, "-CAkey", self.directory / "ca.key", "-CAcreateserial"]
        files = ["-in", request, "-out", certificate, "-extfile", extensions]
        _openssl(f"x509 -req -days {days}", *signer, *files)
        return certificate, key

    def client(self, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """TLS as a client speaks it that trusts the authority, with a certificate of its ``own`` if it has one."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if own is not None:
            context.load_cert_chain(*own)
        return context


def authority(directory: Path) -> Authority:
    """A new one."""
    directory.mkdir(parents=True, exist_ok=True)
    files = ["-keyout", directory / "ca.key", "-out", directory / "ca.crt"]
    _openssl(f"req -x509 {_KEY} -days 2 -subj /CN=authority", *files)
    return Authority(directory)


def _openssl(words: str, *more: object) -> None:
    subprocess.run(["openssl", *words.split(), *map(str, more)], check=True, capture_output=True)
