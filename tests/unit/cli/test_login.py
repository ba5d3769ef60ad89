"""Logging in and out: what is asked, where it is kept, and that nobody else can read it."""

import base64
import json
import os
from pathlib import Path

import pytest
from tests.fakes.daemon import Answer, FakeDaemon
from tests.unit.cli.conftest import Havre

OK = {"Status": "Login Succeeded", "IdentityToken": ""}
KEPT = base64.b64encode(b"me:pw").decode()


def kept(havre: Havre) -> dict[str, object]:
    found: dict[str, object] = json.loads((havre.home / ".docker" / "config.json").read_text())
    return found


def test_credentials_are_kept_for_their_owner_only(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/auth", json=OK)
    path = havre.config('{"psFormat": "x", "auths": {"other": {"auth": "eA=="}}}')
    path.chmod(0o644)
    done = havre("login", "-u", "me", "--password-stdin", "https://reg:5000/v2/", stdin=b"pw\r\n")
    assert (done.code, done.out) == (0, "Login Succeeded\n")
    assert "stored unencrypted" in done.err
    assert kept(havre) == {"psFormat": "x", "auths": {"other": {"auth": "eA=="}, "reg:5000": {"auth": KEPT}}}
    assert path.stat().st_mode & 0o777 == 0o600
    assert daemon.requests[-1].json() == {"username": "me", "password": "pw", "serveraddress": "reg:5000"}


def test_a_linked_configuration_stays_a_link(havre: Havre, daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.on("POST", "/auth", json=OK)
    (tmp_path / "real.json").write_text("{}")
    (havre.home / ".docker").mkdir()
    (havre.home / ".docker" / "config.json").symlink_to(tmp_path / "real.json")
    assert havre("login", "-u", "me", "-p", "pw", "reg").code == 0
    assert (havre.home / ".docker" / "config.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["auths"] == {"reg": {"auth": KEPT}}


def test_a_token_takes_the_passwords_place(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/auth", json={**OK, "IdentityToken": "tok"})
    done = havre("login", "-u", "me", "-p", "pw", "reg")
    assert "unencrypted" not in done.err
    nobody = base64.b64encode(b"me:").decode()
    assert kept(havre)["auths"] == {"reg": {"auth": nobody, "identitytoken": "tok"}}


def test_a_refusal_keeps_nothing(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/auth", status=401, json={"message": "unauthorized: incorrect username or password"})
    done = havre("login", "-u", "me", "-p", "pw", "reg")
    assert done.code == 1
    assert done.err.endswith("Error response from daemon: unauthorized: incorrect username or password\n")
    assert not (havre.home / ".docker").exists()


def test_stored_credentials_are_tried_first(havre: Havre, daemon: FakeDaemon) -> None:
    havre.config(json.dumps({"auths": {"reg": {"auth": KEPT}}}))
    daemon.on("POST", "/auth", Answer(json=OK), Answer(status=401, json={"message": "expired"}))
    assert havre("login", "reg").out == "Login Succeeded\n"
    done = havre("login", "reg")
    assert done.code == 1
    assert "Stored credentials invalid or expired\nError: Cannot perform an interactive login" in done.err


def test_name_and_password_are_asked_for_on_a_terminal(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/auth", json=OK)
    with havre.on_terminal("login", "reg") as terminal:
        terminal.expect("Username: ")
        terminal.send(b"me\n")
        terminal.expect("Password: ")
        terminal.send(b"secret\n")
        terminal.expect("Login Succeeded")
        assert terminal.wait() == 0
        assert b"secret" not in terminal.seen
    assert daemon.requests[-1].json()["password"] == "secret"


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``docker-credential-fake``, which logs what it is asked and fails on "erase nope"."""
    log = tmp_path / "helper.log"
    program = tmp_path / "bin" / "docker-credential-fake"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ntext=$(cat)\necho "$1 $text" >> {log}\ncase "$text" in nope*) echo refused; exit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return log


def test_a_helper_keeps_them_instead(havre: Havre, daemon: FakeDaemon, helper: Path) -> None:
    daemon.on("POST", "/auth", Answer(json=OK), Answer(json={**OK, "IdentityToken": "tok"}))
    havre.config('{"credHelpers": {"reg": "fake"}}')
    for _ in range(2):
        assert havre("login", "-u", "me", "-p", "pw", "reg").code == 0
    assert kept(havre) == {"auths": {"reg": {}}, "credHelpers": {"reg": "fake"}}
    verbs = [line.partition(" ") for line in helper.read_text().splitlines() if line.startswith("store")]
    assert [json.loads(text) for _, _, text in verbs] == [
        {"ServerURL": "reg", "Username": "me", "Secret": "pw"},
        {"ServerURL": "reg", "Username": "<token>", "Secret": "tok"},
    ]


def test_logging_out(havre: Havre, daemon: FakeDaemon, helper: Path) -> None:
    auths = {"http://reg": {"auth": KEPT}, "other": {"auth": KEPT}}
    havre.config(json.dumps({"auths": auths, "x": 1}))
    assert havre("logout", "reg").out == "Removing login credentials for reg\n"
    assert kept(havre) == {"auths": {"other": {"auth": KEPT}}, "x": 1}
    assert havre("logout").out == "Removing login credentials for https://index.docker.io/v1/\n"
    havre.config('{"credsStore": "fake"}')
    done = havre("logout")
    assert (done.code, done.err) == (0, "")
    assert helper.read_text() == "erase https://index.docker.io/v1/\n"
    assert daemon.requests == []
