"""Which daemon is meant: flags, environment, contexts, TLS."""

import hashlib
import json
from pathlib import Path

import pytest

from havre.cli.main import global_parser
from havre.client.config import ConfigFile
from havre.client.hosts import Endpoint
from havre.client.resolve import resolve
from havre.errors import InvalidParameter


def found(tmp_path: Path, *argv: str, **environ: str) -> Endpoint:
    options = global_parser().parse(list(argv))
    return resolve(options, ConfigFile(str(tmp_path), environ), environ)


def write_context(tmp_path: Path, name: str, host: str, tls: bool = False) -> None:
    folder = hashlib.sha256(name.encode()).hexdigest()
    meta = tmp_path / "contexts" / "meta" / folder
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))
    if tls:
        files = tmp_path / "contexts" / "tls" / folder / "docker"
        files.mkdir(parents=True)
        (files / "ca.pem").write_text("")


def test_order_of_the_sources(tmp_path: Path) -> None:
    both = {"HAVRE_HOST": "unix:///h", "DOCKER_HOST": "unix:///d"}
    assert found(tmp_path).text == "unix:///run/havre/havre.sock"
    assert found(tmp_path, DOCKER_HOST="unix:///d").path == "/d"
    assert found(tmp_path, **both).path == "/h"
    assert found(tmp_path, "-H", "unix:///f", **both).path == "/f"


def test_several_hosts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="Specify only one -H"):
        found(tmp_path, "-H", "unix:///a", "-H", "unix:///b")


def test_a_context_by_flag_or_environment(tmp_path: Path) -> None:
    write_context(tmp_path, "far", "tcp://far:1", tls=True)
    assert found(tmp_path, "-c", "far", DOCKER_HOST="unix:///d").name == "far"
    endpoint = found(tmp_path, DOCKER_CONTEXT="far")
    assert endpoint.tls is not None
    assert endpoint.tls.ca.endswith("ca.pem")
    assert found(tmp_path, DOCKER_CONTEXT="default").text == "unix:///run/havre/havre.sock"


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match='context "nope": context not found'):
        found(tmp_path, "-c", "nope")
    with pytest.raises(InvalidParameter, match="conflicting options"):
        found(tmp_path, "-c", "x", "-H", "unix:///a")


def test_tls_from_the_environment_and_the_flags(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("")
    assert found(tmp_path, DOCKER_HOST="tcp://h:1").tls is None
    by_environment = found(tmp_path, DOCKER_HOST="tcp://h", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(tmp_path)).tls
    assert by_environment is not None
    assert by_environment.verify
    assert by_environment.cert == str(tmp_path / "cert.pem")
    assert by_environment.ca == ""
    unverified = found(tmp_path, "--tls", "-H", "tcp://h").tls
    assert unverified is not None
    assert not unverified.verify
    assert found(tmp_path, "--tlsverify=false", "-H", "tcp://h", DOCKER_TLS_VERIFY="1").tls is None
    assert found(tmp_path, "--tlsverify", "-H", "unix:///a").tls is None
