"""havre-registry with accounts, from both command lines: login, push, pull, search, what is refused, logout."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.access import PASSWORDS, SignedClient, basic, guarded
from tests.registry.server import Server
from tests.system import images
from tests.system.harness import Engine
from tests.system.programs import Program


@pytest.fixture(params=["token", "basic"])
def auth(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def registry(auth: str, tmp_path: Path) -> Iterator[Server]:
    with guarded(tmp_path, "--auth", auth) as server:
        yield server


def test_the_way_of_an_image_with_an_account(registry: Server, auth: str, cli: Program, engine: Engine) -> None:
    host = f"127.0.0.1:{registry.port}"
    image, foreign, public = f"{host}/team/app:v1", f"{host}/other/app:v1", f"{host}/public/app:v1"
    engine.load(images.busybox().archive(image))
    cli("tag", image, foreign)
    try:
        cli("push", image, code=1)
        assert "nauthorized" in cli("login", "-u", "alice", "--password-stdin", host, stdin="wrong", code=1).err
        cli("login", "-u", "alice", "--password-stdin", host, stdin=PASSWORDS["alice"])
        cli("push", image)
        refused = cli("push", foreign, code=1)
        assert "denied: requested access to the resource is denied" in refused.err + refused.out
        cli("rmi", image)
        cli("pull", image)
        assert "team/app" in cli("search", f"{host}/app").out
        cli("logout", host)
        assert "team/app" not in cli("search", f"{host}/app").out
        cli("rmi", image)
        cli("pull", image, code=1)
        cli("login", "-u", "carol", "--password-stdin", host, stdin=PASSWORDS["carol"])
        cli("tag", foreign, public)
        cli("push", public)
        cli("logout", host)
        cli("rmi", public)
        # dockerd asks a registry that wants Basic authorization for nothing without a password.
        if auth == "token":
            cli("pull", public)
    finally:
        for name in (image, foreign, public):
            engine.api("DELETE", f"/images/{name}", force="true")
    tags = SignedClient(registry.port, basic("carol")).ask("GET", "/v2/team/app/tags/list")
    assert tags.json["tags"] == ["v1"]


def test_skopeo_logs_in(registry: Server, tmp_path: Path) -> None:
    def skopeo(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = [
            "skopeo",
            *arguments[:1],
            "--authfile",
            str(tmp_path / "auth.json"),
            "--tls-verify=false",
            *arguments[1:],
        ]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)

    host = f"127.0.0.1:{registry.port}"
    digest = SignedClient(registry.port, basic("carol")).push_image("team/app", "v1", b"layer")
    assert skopeo("inspect", "--raw", f"docker://{host}/team/app:v1").returncode != 0
    assert skopeo("login", "-u", "alice", "--password-stdin", host, text="wrong").returncode != 0
    assert skopeo("login", "-u", "alice", "--password-stdin", host, text=PASSWORDS["alice"]).returncode == 0
    assert json.loads(skopeo("inspect", "--raw", f"docker://{host}/team/app:v1").stdout)["layers"]
    assert skopeo("delete", f"docker://{host}/team/app@{digest}").returncode != 0
    assert skopeo("inspect", "--raw", f"docker://{host}/other/app:v1").returncode != 0
