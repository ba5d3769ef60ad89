"""Registry credentials from the configuration file and from helper programs."""

import base64
import json
import stat
from pathlib import Path

import pytest

from havre.client import auth
from havre.client.auth import HUB, credentials, encode, header_for, helper_for
from havre.client.config import ConfigFile
from havre.errors import SystemFault

PACKED = base64.b64encode(b"user:pass:word").decode()


def config(tmp_path: Path, values: object) -> ConfigFile:
    (tmp_path / "config.json").write_text(json.dumps(values))
    return ConfigFile(str(tmp_path), {})


def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    path = tmp_path / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def test_plain_credentials(tmp_path: Path) -> None:
    file = config(tmp_path, {"auths": {"reg:5000": {"auth": PACKED}}})
    assert credentials(file, "reg:5000") == {"username": "user", "password": "pass:word", "serveraddress": "reg:5000"}
    assert credentials(file, "other") == {}


@pytest.mark.parametrize("domain", ["docker.io", "index.docker.io"])
def test_the_hub_has_an_old_name(tmp_path: Path, domain: str) -> None:
    file = config(tmp_path, {"auths": {HUB: {"auth": PACKED}}})
    assert credentials(file, domain)["serveraddress"] == HUB


def test_keys_written_as_urls(tmp_path: Path) -> None:
    file = config(tmp_path, {"auths": {"https://reg.example/v2/": {"identitytoken": "t"}}})
    assert credentials(file, "reg.example") == {"identitytoken": "t", "serveraddress": "reg.example"}


def test_an_entry_without_credentials_is_none(tmp_path: Path) -> None:
    assert credentials(config(tmp_path, {"auths": {"reg": {}}}), "reg") == {}


@pytest.mark.parametrize("packed", ["!!!", base64.b64encode(b"nocolon").decode()])
def test_a_damaged_entry(tmp_path: Path, packed: str) -> None:
    with pytest.raises(SystemFault, match="invalid auth configuration file"):
        credentials(config(tmp_path, {"auths": {"reg": {"auth": packed}}}), "reg")


def test_the_header_is_url_safe_base64_of_json(tmp_path: Path) -> None:
    file = config(tmp_path, {"auths": {"reg": {"auth": base64.b64encode("ü?>:ÿÿ~".encode()).decode()}}})
    value = header_for(file, "reg")["X-Registry-Auth"]
    assert not set(value) & set("+/")
    assert json.loads(base64.urlsafe_b64decode(value)) == credentials(file, "reg")
    assert header_for(file, "unknown") == {}
    assert encode({}) == "e30="


def test_the_general_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, monkeypatch, "pass", 'read server; echo "{\\"Username\\":\\"u\\",\\"Secret\\":\\"$server/$1\\"}"')
    file = config(tmp_path, {"credsStore": "pass", "auths": {"reg": {"auth": PACKED}}})
    assert credentials(file, "reg") == {"username": "u", "password": "reg/get", "serveraddress": "reg"}


def test_the_registrys_own_helper_goes_first_and_a_token_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, monkeypatch, "own", 'echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"t\\"}"')
    file = config(tmp_path, {"credsStore": "missing", "credHelpers": {"reg": "own"}})
    assert credentials(file, "reg") == {"identitytoken": "t", "serveraddress": "reg"}


def test_a_helper_that_knows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, monkeypatch, "none", "echo credentials not found in native keychain; exit 1")
    assert credentials(config(tmp_path, {"credsStore": "none"}), "reg") == {}


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo broken; exit 3", "error getting credentials - err: exit status 3, out: `broken`"),
        ("kill -9 $$", "error getting credentials - err: signal 9, out: ``"),
        (
            """echo '{"Username": null, "Secret": {}}'""",
            "error getting credentials: docker-credential-bad did not answer as expected",
        ),
        ("echo '[]'", "error getting credentials: docker-credential-bad did not answer as expected"),
        ("sleep 9", "error getting credentials - err: docker-credential-bad get has not answered within 0.2 seconds"),
    ],
)
def test_a_helper_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, text: str) -> None:
    helper(tmp_path, monkeypatch, "bad", script)
    monkeypatch.setattr(auth, "HELPER_TIMEOUT", 0.2 if "sleep" in script else 60)
    said: list[str] = []
    config(tmp_path, {"credsStore": "bad", "auths": {"reg": {"auth": PACKED}}})
    assert credentials(ConfigFile(str(tmp_path), {}, said.append), "reg") == {}
    assert said == [text]


def test_a_helper_that_is_not_there(tmp_path: Path) -> None:
    said: list[str] = []
    config(tmp_path, {"credsStore": "gone"})
    assert header_for(ConfigFile(str(tmp_path), {}, said.append), "reg") == {}
    missing = 'exec: "docker-credential-gone": executable file not found in $PATH, out: ``'
    assert said == [f"error getting credentials - err: {missing}"]


def test_which_helper_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = config(tmp_path, {"credsStore": "general", "credHelpers": {"reg": "own", HUB: "hub"}})
    assert [helper_for(named, server) for server in ("reg", HUB, "other")] == ["own", "hub", "general"]
    assert helper_for(config(tmp_path, {"credHelpers": {"docker.io": "hub"}}), HUB, "docker.io") == "hub"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert helper_for(config(tmp_path, {}), "reg") == ""
    helper(tmp_path, monkeypatch, "pass", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert helper_for(config(tmp_path, {}), "reg") == ""
    (tmp_path / "pass").touch(0o755)
    assert helper_for(config(tmp_path, {}), "reg") == "pass"
    assert helper_for(config(tmp_path, {"auths": {"reg": {"auth": PACKED}}}), "reg") == ""
