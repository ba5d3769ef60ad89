"""Pulls from real registries that are not open to everybody: a private authority, client certificates, tokens."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system import images
from tests.system.certificates import Authority, authority
from tests.system.conftest import NewDaemon, docker_for, havre_for
from tests.system.harness import Havred
from tests.system.programs import Program
from tests.system.registry import PASSWORD, USER, Registry, serve
from tests.system.tokenserver import TokenServer, serve_tokens

# On the loopback, daemons take any certificate. This is ours, too, but not there.
ADDRESS = "192.0.2.65"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    subprocess.run(["ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo"], check=True)
    yield ADDRESS
    subprocess.run(["ip", "address", "del", f"{ADDRESS}/32", "dev", "lo"], check=True)


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(tmp_path: Path, signer: Authority, address: str) -> Iterator[Registry]:
    with serve(tmp_path / "registry", signed_by=signer, address=address) as registry:
        yield registry


@contextmanager
def certs_d(registry: Registry, *files: Path) -> Iterator[Path]:
    """``files`` in the registry's directory of the real /etc/docker/certs.d, which a daemon reads."""
    directory = Path("/etc/docker/certs.d") / registry.host
    directory.mkdir(parents=True)
    try:
        for file in files:
            shutil.copy(file, directory)
        yield directory
    finally:
        shutil.rmtree(directory)


def configured(new_havred: NewDaemon, tmp_path: Path, **document: object) -> Havred:
    file = tmp_path / "daemon.json"
    file.write_text(json.dumps(document))
    daemon = new_havred("--config-file", str(file))
    daemon.start()
    return daemon


def push(registry: Registry, name: str = "app") -> str:
    return registry.push(images.busybox(), name).reference


def test_an_authority_is_trusted_for_its_registry_alone(
    new_havred: NewDaemon, tmp_path: Path, secure: Registry, signer: Authority
) -> None:
    name = push(secure)
    docker = docker_for(configured(new_havred, tmp_path), tmp_path)
    unknown = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    assert f'Get "https://{secure.host}/v2/": {unknown}' in docker("pull", name, code=1).err
    with certs_d(secure, signer.certificate):
        docker("pull", name)
        docker("rmi", name)
    assert unknown in docker("pull", name, code=1).err


def test_a_certificate_that_is_another_s_or_of_another_time(
    new_havred: NewDaemon, tmp_path: Path, signer: Authority, address: str
) -> None:
    registries = {}
    docker = None
    for kind, words in {"other": {"address": "DNS:elsewhere.test"}, "old": {"days": -1}}.items():
        certificate = signer.issue(kind, **{"address": f"IP:{address}", **words})  # type: ignore[arg-type]
        with serve(tmp_path / kind, signed_by=signer, certificate=certificate, address=address) as registry:
            registries[registry.host] = {"ca": str(signer.certificate)}
            docker = docker_for(configured(new_havred, tmp_path, registries=registries), tmp_path)
            said = docker("pull", f"{registry.host}/app", code=1).err
            assert f'Get "https://{registry.host}/v2/": tls: failed to verify certificate: x509: ' in said
            assert {"other": f"not {address}", "old": "certificate has expired or is not yet valid"}[kind] in said


def test_a_registry_that_asks_who_we_are(
    new_havred: NewDaemon, tmp_path: Path, signer: Authority, address: str
) -> None:
    own = signer.issue("us")
    with serve(tmp_path / "registry", signed_by=signer, client=own, address=address) as registry:
        name = push(registry)
        entry = {"ca": str(signer.certificate)}
        daemon = configured(new_havred, tmp_path, registries={registry.host: entry})
        docker = docker_for(daemon, tmp_path)
        said = docker("pull", name, code=1).err
        assert "remote error: tls: bad certificate" in said or "remote error: tls: certificate required" in said
        with certs_d(registry, *own) as directory:
            docker("pull", name)
            docker("rmi", name)
            (directory / own[1].name).unlink()
            said = f"missing key {own[1].name} for client certificate {own[0].name}"
            assert said in docker("pull", name, code=1).err
        daemon.stop()
        whole = {**entry, "cert": str(own[0]), "key": str(own[1])}
        other = configured(new_havred, tmp_path, registries={registry.host: whole})
        docker_for(other, tmp_path)("pull", name)


def test_plain_http_where_tls_was_meant(new_havred: NewDaemon, tmp_path: Path, address: str) -> None:
    with serve(tmp_path / "registry", address=address) as registry:
        name = push(registry)
        docker = docker_for(configured(new_havred, tmp_path), tmp_path)
        said = docker("pull", name, code=1).err
        assert f'Get "https://{registry.host}/v2/": http: server gave HTTP response to HTTPS client' in said
        daemon = configured(new_havred, tmp_path, registries={registry.host: {"insecure": True}})
        docker_for(daemon, tmp_path)("pull", name)


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    with serve_tokens(tmp_path / "tokens", {USER: PASSWORD}) as server:
        yield server


@pytest.fixture
def guarded(tmp_path: Path, tokens: TokenServer) -> Iterator[Registry]:
    with serve(tmp_path / "registry", tokens=tokens) as registry:
        yield registry


@pytest.fixture(params=["docker", "havre"])
def own_cli(request: pytest.FixtureRequest, new_havred: NewDaemon, tmp_path: Path) -> Program:
    """Both clients, with a daemon of the test's own."""
    daemon = new_havred()
    daemon.start()
    return (docker_for if request.param == "docker" else havre_for)(daemon, tmp_path)


def test_tokens_for_what_is_asked_and_instead_of_the_password(
    own_cli: Program, guarded: Registry, tokens: TokenServer
) -> None:
    cli, private, public = own_cli, push(guarded, "private/app"), push(guarded, "public/app")
    cli("pull", public)
    assert tokens.grants == [("GET", ["repository:public/app:pull"], "")]
    assert "pull access denied for" in cli("pull", private, code=1).err
    said = cli("login", "-u", USER, "--password-stdin", guarded.host, stdin="wrong", code=1).err
    assert "unauthorized: incorrect username or password" in said
    assert "stored unencrypted" not in cli("login", "-u", USER, "--password-stdin", guarded.host, stdin=PASSWORD).err
    config = json.loads((Path(cli.env["DOCKER_CONFIG"]) / "config.json").read_text())
    assert config["auths"][guarded.host]["identitytoken"] == f"refresh-{USER}" and PASSWORD not in str(config)
    tokens.grants.clear()
    cli("pull", private)
    assert tokens.grants == [("POST", ["repository:private/app:pull"], USER)]
    tokens.refresh.clear()
    said = cli("pull", push(guarded, "private/other"), code=1).err
    assert "unauthorized: incorrect username or password" in said


def test_a_token_that_the_registry_takes_no_longer(
    fresh_havred: Havred, tmp_path: Path, guarded: Registry, tokens: TokenServer
) -> None:
    """By a clock that is ahead of ours, say: the daemon takes the token to be good for a minute at least."""
    docker = docker_for(fresh_havred, tmp_path)
    first = guarded.push(images.busybox(), "public/app", "first").reference
    second = guarded.push(images.busybox().derive("second", {"Labels": {"a": "b"}}), "public/app", "second").reference
    # The registry grants a minute of leeway.
    tokens.lifetime = -58
    docker("pull", first)
    granted = len(tokens.grants)
    time.sleep(4)
    docker("pull", second)
    assert len(tokens.grants) > granted
