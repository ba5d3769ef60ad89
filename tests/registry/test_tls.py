"""HTTPS, and what the command line refuses."""

import http.client
import os
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.registry.server import PROGRAM, Server, sha256


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    place = tmp_path_factory.mktemp("tls")
    certificate, key = place / "cert.pem", place / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=registry", "-days", "2"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def test_an_image_over_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    server = Server(tmp_path / "root", "--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1]))
    client = server.client()
    context = ssl.create_default_context(cafile=str(certificate[0]))
    client.use(http.client.HTTPSConnection("127.0.0.1", server.port, timeout=60, context=context))
    data = os.urandom(3_000_000)
    digest = client.push_image("tls/one", "v1", data)
    assert client.ask("GET", "/v2/tls/one/manifests/v1").headers["Docker-Content-Digest"] == digest
    assert client.ask("GET", f"/v2/tls/one/blobs/{sha256(data)}").body == data
    part = client.ask("GET", f"/v2/tls/one/blobs/{sha256(data)}", Range="bytes=1000000-2999999")
    assert part.body == data[1_000_000:]
    client.close()
    server.close()


def refusal(*arguments: str) -> str:
    done = subprocess.run([*PROGRAM, "serve", *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    return done.stderr


def test_settings_that_cannot_be(tmp_path: Path, certificate: tuple[Path, Path], server: Server) -> None:
    root = ("--root", str(tmp_path / "root"))
    assert "are needed together" in refusal(*root, "--tls-cert", str(certificate[0]))
    tls = (*root, "--addr", "127.0.0.1:0", "--tls-cert", str(certificate[0]))
    assert "cannot read /none: No such file" in refusal(*tls, "--tls-key", "/none")
    assert "cannot use tls-cert and tls-key: " in refusal(*tls, "--tls-key", str(certificate[0]))
    key = str(certificate[1])
    assert "cannot use client-ca: " in refusal(*tls, "--tls-key", key, "--client-ca", key)
    assert "invalid address 'here'" in refusal(*root, "--addr", "here")
    assert "invalid address '127.0.0.1:99999'" in refusal(*root, "--addr", "127.0.0.1:99999")
    assert "cannot listen on 127.0.0.1" in refusal(*root, "--addr", f"127.0.0.1:{server.port}")
    busy = refusal("--root", str(server.root), "--addr", "127.0.0.1:0")
    assert f"is in use by another havre-registry (process {server.pid})" in busy


def test_a_file_of_settings(tmp_path: Path) -> None:
    file = tmp_path / "registry.toml"
    root = tmp_path / "root"
    file.write_text(f'root = "{tmp_path / "other"}"\naddr = "127.0.0.1:0"\n')
    # A flag wins over the file.
    server = Server(root, "--config", str(file))
    server.close()
    assert (root / "registry.db").exists() and not (tmp_path / "other").exists()
    for text, words in (
        ("nonsense = 1", "'nonsense' is not known"),
        ("root = 3", "'root' is not known, or"),
        ("[", ""),
    ):
        file.write_text(text)
        assert words in refusal("--config", str(file)) and "Traceback" not in refusal("--config", str(file))
    assert "cannot read" in refusal("--config", str(tmp_path / "none.json"))
