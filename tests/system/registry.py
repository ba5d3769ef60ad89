"""Debian's real ``docker-registry`` on a free loopback port, and the pushing of test images into it.

Who comes in: the system tests, through the fixture ``registry`` (one server a session, data in a temporary directory)
or ``serve(directory)`` for a server of one's own: with a password, with TLS, behind a token server.
"""

import base64
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.certificates import Authority
from tests.system.images import Blob, BuiltImage, digest
from tests.system.tokenserver import ISSUER, SERVICE, TokenServer

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

USER, PASSWORD = "havre", "s3cret"
HTPASSWD = f"{USER}:$2b$05$jwDSwwWg5U9ROe5/zT9ZUOzvdrQ.F2i.QS3S7lk7DLFeVrLDbus7i\n"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the registry now holds under a name: the manifest's descriptor."""

    reference: str
    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Registry:
    """A running registry. ``host`` is ``127.0.0.1:<port>``, the first part of the names of its images."""

    port: int
    data: Path
    log: Path
    credentials: tuple[str, str] | None = None
    tls: ssl.SSLContext | None = None
    tokens: TokenServer | None = None
    address: str = "127.0.0.1"

    @property
    def host(self) -> str:
        return f"{self.address}:{self.port}"

    def push(
        self,
        image: BuiltImage,
        repository: str,
        tag: str = "latest",
        *,
        dialect: str = "oci",
        compression: str = "gzip",
    ) -> Pushed:
        """Push ``image``; ``dialect`` is ``oci`` or ``docker`` (schema 2), ``compression`` gzip, zstd or none.

        Returns what to pull: ``Pushed.reference`` is ``127.0.0.1:<port>/<repository>:<tag>``.
        """
        config = image.config
        self._upload(repository, digest(config), config)
        layers = [layer.blob(compression, dialect) for layer in image.layers]
        for blob in layers:
            self._upload(repository, blob.digest, blob.path)
        media_type = OCI_MANIFEST if dialect == "oci" else DOCKER_MANIFEST
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": OCI_CONFIG if dialect == "oci" else DOCKER_CONFIG,
                "digest": digest(config),
                "size": len(config),
            },
            "layers": [_descriptor(blob) for blob in layers],
        }
        return self.put_manifest(repository, tag, media_type, manifest)

    def push_index(
        self, images: list[BuiltImage], repository: str, tag: str = "latest", *, dialect: str = "oci"
    ) -> Pushed:
        """Push one manifest for each image (by digest) and an index (or manifest list) over them as ``tag``."""
        entries = []
        for image in images:
            pushed = self.push(image, repository, f"{tag}-{image.architecture}{image.variant}", dialect=dialect)
            platform = {"os": "linux", "architecture": image.architecture}
            if image.variant:
                platform["variant"] = image.variant
            entry = {"mediaType": pushed.media_type, "digest": pushed.digest, "size": pushed.size, "platform": platform}
            entries.append(entry)
        media_type = OCI_INDEX if dialect == "oci" else DOCKER_LIST
        index = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
        return self.put_manifest(repository, tag, media_type, index)

    def put_manifest(self, repository: str, tag: str, media_type: str, manifest: Mapping[str, Any]) -> Pushed:
        """Put any manifest under a tag; the blobs it names must be there."""
        body = json.dumps(manifest, indent=2).encode()
        self._request("PUT", f"/v2/{repository}/manifests/{tag}", body, {"Content-Type": media_type})
        return Pushed(f"{self.host}/{repository}:{tag}", digest(body), len(body), media_type)

    def blob_file(self, blob_digest: str) -> Path:
        """Where the registry keeps a blob, for tests that damage or remove it."""
        hexadecimal = blob_digest.removeprefix("sha256:")
        return self.data / "docker/registry/v2/blobs/sha256" / hexadecimal[:2] / hexadecimal / "data"

    def requests(self) -> list[str]:
        """The access log so far: lines that hold ``"GET /v2/…`` with status and length."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if '"GET /v2/' in line]

    def fetch(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The body of what the registry serves at ``path``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"GET {path}: {response.status} {body[:500].decode(errors='replace')}")
        return body

    def _upload(self, repository: str, blob_digest: str, content: bytes | Path) -> None:
        try:
            self._request("HEAD", f"/v2/{repository}/blobs/{blob_digest}")
            return
        except RuntimeError:
            pass
        location = self._request("POST", f"/v2/{repository}/blobs/uploads/")["location"]
        path = location.split(self.host, 1)[-1]
        length = len(content) if isinstance(content, bytes) else content.stat().st_size
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(length)}
        target = f"{path}{'&' if '?' in path else '?'}digest={blob_digest}"
        if isinstance(content, bytes):
            self._request("PUT", target, content, headers)
        else:
            with content.open("rb") as file:
                self._request("PUT", target, file, headers)

    def _request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        connection = http.client.HTTPConnection(self.address, self.port, timeout=60)
        if self.tls is not None:
            connection = http.client.HTTPSConnection(self.address, self.port, timeout=60, context=self.tls)
        sent = dict(headers or {})
        if self.tokens is not None:
            sent["Authorization"] = f"Bearer {self._token(path)}"
        if self.credentials:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(self.credentials).encode()).decode()
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {text[:500].decode(errors='replace')}")
        return {name.lower(): value for name, value in response.getheaders()}

    def _token(self, path: str) -> str:
        assert self.tokens is not None
        repository = path.removeprefix("/v2/").partition("/blobs/")[0].partition("/manifests/")[0]
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        scopes = {"scope": [f"repository:{repository}:pull,push"]}
        token: str = self.tokens.answer("GET", scopes, f"Basic {login}")[1]["token"]
        self.tokens.grants.clear()
        return token


@contextmanager
def serve(
    directory: Path,
    *,
    password: bool = False,
    signed_by: Authority | None = None,
    certificate: tuple[Path, Path] | None = None,
    client: tuple[Path, Path] | None = None,
    tokens: TokenServer | None = None,
    address: str = "127.0.0.1",
) -> Iterator[Registry]:
    """Run a registry with its data in ``directory``; ``password`` makes it ask for ``USER``, ``PASSWORD`` (basic).

    With ``signed_by`` it speaks TLS, by a certificate of that authority (or by ``certificate``); with ``client``, which
    is one for the tests to use, it wants certificates of the authority from its clients as well. With ``tokens`` it
    sends its clients there.
    """
    binary = shutil.which("docker-registry")
    if binary is None:
        pytest.fail("Debian's package docker-registry is not installed")
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "registry.log"
    for _ in range(5):
        port = free_port()
        config = directory / "config.json"
        document = configuration(directory, f"{address}:{port}", password)
        if signed_by is not None:
            server, key = certificate or signed_by.issue("server", address=f"IP:{address}")
            document["http"]["tls"] = {"certificate": str(server), "key": str(key)}
            if client is not None:
                document["http"]["tls"]["clientcas"] = [str(signed_by.certificate)]
        if tokens is not None:
            where = {"realm": tokens.realm, "rootcertbundle": str(tokens.certificate)}
            document["auth"] = {"token": {**where, "service": SERVICE, "issuer": ISSUER}}
        config.write_text(json.dumps(document))
        with log.open("ab") as output:
            process = subprocess.Popen([binary, "serve", config], stdout=output, stderr=output)
        try:
            if _answers(process, address, port):
                tls = signed_by.client(client) if signed_by is not None else None
                login = (USER, PASSWORD) if password else None
                yield Registry(port, directory / "data", log, login, tls, tokens, address)
                return
        finally:
            process.terminate()
            process.wait()
    raise RuntimeError(f"docker-registry did not start: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One registry for the whole session; tests choose repository names of their own."""
    with serve(tmp_path_factory.mktemp("registry")) as server:
        yield server


def _descriptor(blob: Blob) -> dict[str, Any]:
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}


def configuration(directory: Path, address: str, password: bool) -> dict[str, Any]:
    """What docker-registry is told (JSON is YAML too); everything is kept in ``directory``."""
    configuration: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
        "http": {"addr": address, "secret": "only for tests"},
    }
    if password:
        users = directory / "htpasswd"
        users.write_text(HTPASSWD)
        configuration["auth"] = {"htpasswd": {"realm": "tests", "path": str(users)}}
    return configuration


def free_port() -> int:
    """A TCP port of the loopback that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(process: "subprocess.Popen[bytes]", address: str, port: int) -> bool:
    """Wait until the registry accepts connections; False when it ended (somebody took the port in between)."""
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection((address, port), timeout=1):
                return True
        except OSError:
            time.sleep(0.02)
    return False
