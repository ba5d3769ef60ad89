"""Replication between real registries: everything arrives once, whatever happens meanwhile, and circles end."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.registry.server import OCI_INDEX, OCI_MANIFEST, Server, sha256
from tests.registry.upkeep import PROGRAM, configured, damage
from tests.system.registry import PASSWORD, USER, free_port
from tests.system.registry import serve as serve_debians

LAYER = os.urandom(1_000_000)
Replicating = Callable[..., Server]


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Server]:
    running = configured(_made(tmp_path / "target"), **{"audit-log": str(tmp_path / "audit.json")})
    yield running
    running.close()


@pytest.fixture
def replicating(tmp_path: Path) -> Iterator[Replicating]:
    """Starts a registry with this target ``copy``; keyword arguments are its settings."""
    started: list[Server] = []

    def start(url: str, **settings: Any) -> Server:
        server = configured(_made(tmp_path / "source"), replication={"copy": {"url": url, **settings}})
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


def _made(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    return directory


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def status(server: Server, *arguments: str) -> Any:
    command = [*PROGRAM, "replication", "status", "--root", str(server.root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    return json.loads(done.stdout)[0] if "--json" in arguments else done.stdout


def test_no_target(server: Server) -> None:
    assert status(server) == "nothing is replicated: the configuration names no target\n"


def settled(server: Server) -> dict[str, Any]:
    """Its status once nothing waits any more."""
    deadline = time.monotonic() + 60
    while True:
        found: dict[str, Any] = status(server, "--json")
        if not found["waiting"]:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def arrived(server: Server, path: str, expected: int = 200) -> None:
    """Wait until a manifest is there, or is not."""
    deadline = time.monotonic() + 60
    with closing(server.client()) as client:
        while client.ask("HEAD", path).status != expected:
            assert time.monotonic() < deadline, path
            time.sleep(0.1)


def requests(target: Server, method: str, word: str) -> list[str]:
    """The paths of requests the target has answered."""
    lines = map(json.loads, (target.root.parent.parent / "audit.json").read_text().splitlines())
    return [line["path"] for line in lines if line["method"] == method and word in line["path"]]


def test_what_is_pushed_arrives_and_blobs_go_once(target: Server, replicating: Replicating) -> None:
    server = replicating(url(target), prefix="copies/")
    with closing(server.client()) as client:
        client.push_image("team/app", "v1", LAYER, b"first")
        arrived(target, "/v2/copies/team/app/manifests/v1")
        client.push_image("team/app", "v2", LAYER, b"second")
        client.push_image("team/other", "v1", LAYER)
        child = client.push_image("team/multi", "child", b"child")
        size = len(client.ask("GET", f"/v2/team/multi/manifests/{child}").body)
        entry = {"mediaType": OCI_MANIFEST, "digest": child, "size": size}
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
        assert client.push_manifest("team/multi", "latest", index).status == 201
    for path in ("app/manifests/v2", "other/manifests/v1", "multi/manifests/latest", f"multi/manifests/{child}"):
        arrived(target, f"/v2/copies/team/{path}")
    with closing(target.client()) as client:
        for repository, tag in (("app", "v1"), ("app", "v2"), ("other", "v1"), ("multi", "child")):
            assert not damage(client, f"copies/team/{repository}", tag)
    # Five different blobs, each sent once: into the second repository they are mounted.
    assert len(requests(target, "PATCH", "uploads")) == 5
    assert settled(server)["failed"] == []
    assert status(server) == "copy: 5 replicated, 0 waiting\n"


def test_a_target_that_was_away_gets_what_it_missed(tmp_path: Path, replicating: Replicating) -> None:
    port = free_port()
    server = replicating(f"http://127.0.0.1:{port}")
    with closing(server.client()) as client:
        for content in (b"first", b"second", b"third"):
            client.push_image("app", "latest", content)
    deadline = time.monotonic() + 60
    while not (failed := status(server, "--json")["failed"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert failed[0]["repository"] == "app" and "connection refused" in failed[0]["error"]
    assert "app:latest: failed" in status(server)
    server.kill()
    target = Server(_made(tmp_path / "late") / "root", "--addr", f"127.0.0.1:{port}")
    server.start()
    arrived(target, "/v2/app/manifests/latest")
    settled(server)
    with closing(target.client()) as client:
        assert client.ask("GET", "/v2/app/manifests/latest").json["layers"][0]["digest"] == sha256(b"third")
        assert client.ask("HEAD", f"/v2/app/blobs/{sha256(b'first')}").status == 404
    target.close()


def test_nothing_is_lost_when_the_registry_is_killed(target: Server, replicating: Replicating) -> None:
    server = replicating(url(target))
    for number in range(5):
        with closing(server.client()) as client:
            client.push_image("app", f"v{number}", LAYER[number:])
        server.kill()
        server.start()
    for number in range(5):
        arrived(target, f"/v2/app/manifests/v{number}")
    settled(server)
    with closing(target.client()) as client:
        assert not [wrong for number in range(5) for wrong in damage(client, "app", f"v{number}")]


def test_only_what_the_rules_say_goes_and_deletions_if_they_do(target: Server, replicating: Replicating) -> None:
    server = replicating(url(target), repositories=["team/**"], tags=["v*"], deletes=True)
    with closing(server.client()) as client:
        client.push_image("other", "v1", b"other")
        client.push_image("team/app", "test", b"test")
        client.push_image("team/app", "v1", b"one")
        client.push_image("team/app", "v2", b"two")
        arrived(target, "/v2/team/app/manifests/v2")
        client.ask("DELETE", "/v2/team/app/manifests/v1")
    arrived(target, "/v2/team/app/manifests/v1", 404)
    settled(server)
    with closing(target.client()) as client:
        assert client.ask("GET", "/v2/_catalog").json["repositories"] == ["team/app"]
        assert client.ask("GET", "/v2/team/app/tags/list").json["tags"] == ["v2"]


def test_a_manifest_that_is_deleted_by_its_digest_goes_with_its_tags(target: Server, replicating: Replicating) -> None:
    server = replicating(url(target), tags=["v*"], deletes=True)
    with closing(server.client()) as client:
        digest = client.push_image("app", "v1", b"one")
        client.push_image("app", "v2", b"one")
        client.push_image("app", "v3", b"three")
        unwanted = client.push_image("app", "test", b"test")
        arrived(target, "/v2/app/manifests/v3")
        with closing(target.client()) as elsewhere:
            elsewhere.push_image("app", "test", b"test")
        assert client.ask("DELETE", f"/v2/app/manifests/{digest}").status == 202
        assert client.ask("DELETE", f"/v2/app/manifests/{unwanted}").status == 202
    arrived(target, f"/v2/app/manifests/{digest}", 404)
    settled(server)
    with closing(target.client()) as client:
        assert client.ask("GET", "/v2/app/tags/list").json["tags"] == ["test", "v3"]


def test_a_new_target_gets_what_is_there_with_what_is_attached(tmp_path: Path, target: Server) -> None:
    root = _made(tmp_path / "source")
    server = configured(root)
    with closing(server.client()) as client:
        digest = client.push_image("app", "v1", b"image")
        signature = client.push_image("app", "s", b"signature", subject={"mediaType": "x", "digest": digest, "size": 1})
        client.ask("DELETE", "/v2/app/manifests/s")
    server.close()
    server = configured(root, replication={"copy": {"url": url(target)}})
    arrived(target, "/v2/app/manifests/v1")
    arrived(target, f"/v2/app/manifests/{signature}")
    with closing(target.client()) as client:
        assert [each["digest"] for each in client.ask("GET", f"/v2/app/referrers/{digest}").json["manifests"]] == [
            signature
        ]
    server.close()


def test_circles_end(tmp_path: Path) -> None:
    """Each replicates everything to the other, and both are pushed to at once."""
    ports = (free_port(), free_port())
    pair = []
    for number, port in enumerate(ports):
        directory = _made(tmp_path / str(number))
        table = {"url": f"http://127.0.0.1:{ports[1 - number]}"}
        (directory / "registry.json").write_text(json.dumps({"replication": {"copy": table}}))
        arguments = ("--config", str(directory / "registry.json"), "--addr", f"127.0.0.1:{port}")
        pair.append(Server(directory / "root", *arguments, "--audit-log", str(directory / "audit.json")))
    for number, server in enumerate(pair):
        with closing(server.client()) as client:
            client.push_image("app", f"of{number}", LAYER[number:])
            client.push_image("app", "both", b"of %d" % number)
    for server in pair:
        arrived(server, "/v2/app/manifests/of0")
        arrived(server, "/v2/app/manifests/of1")
    for server in pair:
        settled(server)
    before = [(tmp_path / str(number) / "audit.json").read_text().count('"PUT"') for number in range(2)]
    time.sleep(1)
    after = [(tmp_path / str(number) / "audit.json").read_text().count('"PUT"') for number in range(2)]
    assert before == after
    for server in pair:
        server.close()


def test_credentials_and_another_registry(tmp_path: Path, replicating: Replicating) -> None:
    with serve_debians(tmp_path / "debian", password=True) as debian:
        server = replicating(f"http://{debian.host}", username=USER, password=PASSWORD)
        with closing(server.client()) as client:
            digest = client.push_image("app", "v1", LAYER)
            client.push_image("app", "v2", LAYER, b"more")
        settled(server)
        found = debian._request("GET", "/v2/app/manifests/v1", None, {"Accept": OCI_MANIFEST})
        assert found["docker-content-digest"] == digest
        debian._request("GET", "/v2/app/manifests/v2", None, {"Accept": OCI_MANIFEST})
