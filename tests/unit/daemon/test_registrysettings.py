"""What daemon.json says of registries and downloads: values, and complaints."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from havre.daemon import config as configuration
from havre.daemon import flags as command_line
from havre.daemon import registrysettings
from havre.daemon.config import Config
from havre.daemon.main import main
from havre.errors import InvalidParameter
from havre.image.partials import PartialLimits
from havre.image.remote.config import HostSettings


def stored(tmp_path: Path, document: dict[str, Any]) -> Config:
    file = tmp_path / "daemon.json"
    file.write_text(json.dumps(document))
    return configuration.load(command_line.parse(["--config-file", str(file)]))


def test_all_that_can_be_said_of_a_registry(tmp_path: Path) -> None:
    said = {"mirrors": ["https://a", "http://b/path"], "insecure": True, "ca": "/ca", "cert": "/cert", "key": "/key"}
    config = stored(tmp_path, {"registries": {"quay.io": said, "r:5000": {}}, "max-concurrent-downloads": 7})
    registries = registrysettings.registries(config)
    assert registries.hosts == {
        "quay.io": HostSettings(("https://a", "http://b/path"), True, "/ca", "/cert", "/key"),
        "r:5000": HostSettings(),
    }
    assert registries.downloads == 7


def test_downloads(tmp_path: Path) -> None:
    config = stored(tmp_path, {"max-partial-size": "5m", "max-partial-age": "90m", "max-download-attempts": 2})
    assert registrysettings.partial_limits(config) == PartialLimits(5 << 20, 5400.0)
    assert registrysettings.retries(config).attempts == 2


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"registries": {"quay.io": []}}, "quay.io: an object is wanted"),
        ({"registries": {"quay.io": {"mirror": []}}}, "quay.io: unknown mirror"),
        ({"registries": {"quay.io": {"mirrors": "https://a"}}}, "mirrors must be a list"),
        ({"registries": {"quay.io": {"mirrors": ["a"]}}}, "no scheme specified"),
        ({"registries": {"quay.io": {"insecure": "yes"}}}, "insecure must be true or false"),
        ({"registries": {"quay.io": {"ca": "ca.pem"}}}, "ca must be an absolute path"),
        ({"registries": {"quay.io": {"ca": "/no/such/file"}}}, "quay.io: cannot use the certificates in /no/such/file"),
        ({"registries": {"quay.io": {"cert": "/cert"}}}, "cert and key belong together"),
        ({"registries": {"https://quay.io": {}}}, "not a registry's name"),
        ({"registries": {"Quay.io": {}}}, "in lower case"),
        ({"registries": {"index.docker.io": {}}}, "called docker.io here"),
        ({"registries": {"docker.io": {"insecure": True}}}, "cannot be insecure"),
        ({"registry-mirrors": ["mirror"]}, "no scheme specified"),
        ({"insecure-registries": ["a/b"]}, "insecure registry a/b is not valid"),
        ({"max-concurrent-downloads": 0}, "invalid max concurrent downloads: 0"),
        ({"max-download-attempts": 0}, "invalid max download attempts: 0"),
        ({"max-partial-size": "much"}, "invalid max-partial-size"),
        ({"max-partial-age": "old"}, "invalid max-partial-age"),
        ({"max-partial-age": "-1h"}, "cannot be negative"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, document: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidParameter, match=text):
        registrysettings.check(stored(tmp_path, document))


def test_validate_looks_at_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "daemon.json"
    file.write_text(json.dumps({"registries": {"quay.io": {"mirrors": ["ftp://a"]}}}))
    assert main(["--validate", "--config-file", str(file)]) == 1
    assert 'unsupported scheme "ftp"' in capsys.readouterr().err
    file.write_text(json.dumps({"registries": {"quay.io": {"mirrors": ["https://a"]}}}))
    assert main(["--validate", "--config-file", str(file)]) == 0


def test_a_key_that_needs_a_password_is_refused(tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -passout pass:secret -days 2 -subj /CN=registry"
    files = ["-keyout", tmp_path / "own.key", "-out", tmp_path / "own.cert"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    entry = {"cert": str(tmp_path / "own.cert"), "key": str(tmp_path / "own.key")}
    with pytest.raises(InvalidParameter, match="cannot use the certificates"):
        registrysettings.check(stored(tmp_path, {"registries": {"quay.io": entry}}))
