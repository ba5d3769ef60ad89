"""Pull-through: fetched once for all, verified, kept, served when the upstream is away, and never pushed to."""

import hashlib
import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import registry_faults as faults
from tests.fakes.registry import FakeImage, FakeRegistry, serving_aside
from tests.registry.server import Server, sha256
from tests.registry.upkeep import configured, contents, damage, gc

LAYER = os.urandom(2 << 20)


@pytest.fixture
def upstream() -> Iterator[FakeRegistry]:
    with serving_aside() as registry:
        yield registry


Caching = Callable[..., Server]


@pytest.fixture
def caching(tmp_path: Path, upstream: FakeRegistry) -> Iterator[Caching]:
    """Starts a registry that has ``hub/`` from the upstream; keyword arguments are more of the upstream's settings."""
    started: list[Server] = []

    def start(cache: dict[str, Any] | None = None, **settings: Any) -> Server:
        table = {"url": f"http://{upstream.host}", **settings}
        server = configured(tmp_path, upstreams={"hub": table}, cache=cache or {}, gc={"interval": "0s", "grace": "0s"})
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


def image(upstream: FakeRegistry, repository: str = "team/app", tag: str = "v1", *layers: bytes) -> FakeImage:
    return upstream.add_image(repository, tag, *(layers or (LAYER,)))


def get(server: Server, path: str, **headers: str) -> Any:
    with closing(server.client()) as client:
        return client.ask("GET", path, **headers)


def test_an_image_is_fetched_once_and_comes_whole(upstream: FakeRegistry, caching: Caching) -> None:
    pushed, server = image(upstream), caching()
    with closing(server.client()) as client:
        for _ in range(3):
            assert not damage(client, "hub/team/app", "v1")
            assert not damage(client, "hub/team/app", pushed.manifest)
    assert len(upstream.asked("/blobs/")) == 2  # configuration and layer
    assert len(upstream.asked("/manifests/")) == 1


def test_a_thousand_at_once_fetch_once(upstream: FakeRegistry, caching: Caching) -> None:
    pushed, server = image(upstream), caching()
    path = f"/v2/hub/team/app/blobs/{pushed.layers[0]}"
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(1000)]
    for connection in connections:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    def digest_of_answer(connection: socket.socket) -> str:
        with closing(connection), connection.makefile("rb") as answer:
            assert b" 200 " in answer.readline()
            while answer.readline() not in (b"\r\n", b""):
                pass
            return f"sha256:{hashlib.file_digest(answer, 'sha256').hexdigest()}"

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(digest_of_answer, connections)) == {pushed.layers[0]}
    assert len(upstream.asked("/blobs/")) == 1
    status = Path(f"/proc/{server.pid}/status").read_text()
    assert int(status.partition("VmHWM:")[2].split()[0]) < 100_000  # kB: the most it has ever taken


def test_a_tag_is_asked_for_again_after_its_time(upstream: FakeRegistry, caching: Caching) -> None:
    first, server = image(upstream), caching(**{"tag-ttl": "0s"})
    assert get(server, "/v2/hub/team/app/manifests/v1").headers["Docker-Content-Digest"] == first.manifest
    second = image(upstream, "team/app", "v1", b"another")
    assert get(server, "/v2/hub/team/app/manifests/v1").headers["Docker-Content-Digest"] == second.manifest
    assert get(server, "/v2/hub/team/app/manifests/v1").headers["Docker-Content-Digest"] == second.manifest
    assert [seen.method for seen in upstream.asked("/manifests/")] == ["GET", "HEAD", "GET", "HEAD"]


def test_what_is_known_is_served_while_the_upstream_is_away(tmp_path: Path) -> None:
    with serving_aside() as upstream:
        image(upstream)
        table = {"hub": {"url": f"http://{upstream.host}", "tag-ttl": "0s"}}
        server = configured(tmp_path, upstreams=table)
        with closing(server.client()) as client:
            assert not damage(client, "hub/team/app", "v1")
    with closing(server.client()) as client:
        assert not damage(client, "hub/team/app", "v1")
        answer = client.ask("GET", "/v2/hub/team/app/manifests/unknown")
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        assert "connection refused" in answer.json["errors"][0]["message"]
        assert client.ask("GET", "/v2/hub/team/app/tags/list").json["tags"] == ["v1"]
    server.close()


def test_a_tag_that_is_gone_upstream_is_gone_here(upstream: FakeRegistry, caching: Caching) -> None:
    pushed, server = image(upstream), caching(**{"tag-ttl": "0s"})
    assert get(server, "/v2/hub/team/app/manifests/v1").status == 200
    del upstream.manifests["team/app", "v1"]
    assert get(server, "/v2/hub/team/app/manifests/v1").code == "MANIFEST_UNKNOWN"
    assert get(server, f"/v2/hub/team/app/manifests/{pushed.manifest}").status == 200


def test_what_is_not_there_is_not_asked_for_again_at_once(upstream: FakeRegistry, caching: Caching) -> None:
    server = caching({"negative-ttl": "1h"})
    blob = "sha256:" + "1" * 64
    for _ in range(3):
        assert get(server, "/v2/hub/team/app/manifests/v1").code == "MANIFEST_UNKNOWN"
        assert get(server, f"/v2/hub/team/app/blobs/{blob}").code == "BLOB_UNKNOWN"
    assert (len(upstream.asked("/manifests/")), len(upstream.asked("/blobs/"))) == (1, 1)


@pytest.mark.parametrize("fault", [faults.corrupt, lambda: faults.replace_body(lambda body: b"x" * len(body))])
def test_wrong_content_is_never_whole_and_never_kept(
    upstream: FakeRegistry, caching: Caching, fault: Callable[[], Any]
) -> None:
    pushed, server = image(upstream), caching()
    upstream.fail("/blobs/", fault())
    path = f"/v2/hub/team/app/blobs/{pushed.layers[0]}"
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        get(server, path)
    assert contents(server) == set()
    assert sha256(get(server, path).body) == pushed.layers[0]


def test_a_manifest_that_is_another_is_refused(upstream: FakeRegistry, caching: Caching) -> None:
    pushed, server = image(upstream), caching()
    upstream.fail("/manifests/", faults.replace_body(lambda body: body + b" "))
    answer = get(server, f"/v2/hub/team/app/manifests/{pushed.manifest}")
    assert answer.status == 503 and "verification failed" in answer.json["errors"][0]["message"]
    upstream.fail("/manifests/", faults.replace_body(lambda _: b"<html>"))
    assert get(server, "/v2/hub/team/app/manifests/v1").status == 503
    assert get(server, "/v2/hub/team/app/manifests/v1").status == 200


def test_limits_and_refusals_are_passed_on(upstream: FakeRegistry, caching: Caching) -> None:
    server = caching()
    upstream.fail("/manifests/", faults.refuse(429, "TOOMANYREQUESTS", "You have reached your limit", Retry_After="77"))
    answer = get(server, "/v2/hub/team/app/manifests/v1")
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, "TOOMANYREQUESTS", "77")
    assert "You have reached your limit" in answer.json["errors"][0]["message"]
    upstream.fail("/manifests/", faults.refuse(403, "DENIED", "not for you"))
    answer = get(server, "/v2/hub/team/app/manifests/v2")
    assert (answer.status, answer.code) == (403, "DENIED") and "not for you" in answer.json["errors"][0]["message"]


@pytest.mark.parametrize("bearer", [False, True])
def test_credentials_are_for_the_upstream(
    upstream: FakeRegistry, caching: Caching, bearer: bool, tmp_path: Path
) -> None:
    image(upstream)
    upstream.credentials = ("cache", "s3cret")
    if bearer:
        upstream.ask_for_token()
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    server = caching(username="cache", **{"password-file": str(file)})
    with closing(server.client()) as client:
        assert not damage(client, "hub/team/app", "v1")


def test_a_prefix_that_is_cached_cannot_be_pushed_to(caching: Caching) -> None:
    server = caching()
    with closing(server.client()) as client:
        for answer in (
            client.ask("POST", "/v2/hub/team/app/blobs/uploads/"),
            client.ask("PUT", "/v2/hub/team/app/manifests/v1", b"{}"),
        ):
            assert (answer.status, answer.code) == (403, "DENIED")
            assert "hub/ holds what was pulled from" in answer.json["errors"][0]["message"]
        client.push_image("hubs/app", "v1", b"ours")


def test_a_mirror_is_asked_without_prefix_or_with_a_namespace(upstream: FakeRegistry, caching: Caching) -> None:
    image(upstream, "library/busybox", "latest")
    server = caching(default=True, namespaces=["docker.io"])
    with closing(server.client()) as client:
        assert not damage(client, "library/busybox", "latest")
        assert client.ask("GET", "/v2/library/busybox/manifests/latest?ns=docker.io").status == 200
        assert client.ask("GET", "/v2/library/busybox/manifests/latest?ns=quay.io").status == 200
        client.push_image("library/ours", "latest", b"ours")
        assert not damage(client, "library/ours", "latest")
        assert client.ask("GET", "/v2/library/ours/manifests/other").code == "MANIFEST_UNKNOWN"
        assert not [seen for seen in upstream.requests if "ours" in seen.path]


def test_pushes_beside_a_mirror_do_not_ask_the_upstream(upstream: FakeRegistry, caching: Caching) -> None:
    pushed = image(upstream, "library/app", "latest")
    server = caching(default=True)
    with closing(server.client()) as client:
        assert client.ask("HEAD", f"/v2/library/app/blobs/{pushed.layers[0]}").status == 404
        assert not upstream.requests
        assert client.ask("GET", f"/v2/library/app/blobs/{pushed.layers[0]}").status == 200


def test_tags_are_those_of_the_upstream(upstream: FakeRegistry, caching: Caching) -> None:
    for number in range(5):
        image(upstream, "team/app", f"v{number}", b"x")
    upstream.tag_page = 2
    server = caching()
    assert get(server, "/v2/hub/team/app/tags/list").json["tags"] == ["v0", "v1", "v2", "v3", "v4"]
    page = get(server, "/v2/hub/team/app/tags/list?n=2&last=v1")
    assert page.json["tags"] == ["v2", "v3"] and "last=v3" in page.headers["Link"]


def test_garbage_collection_leaves_the_cache_alone(upstream: FakeRegistry, caching: Caching) -> None:
    pushed, server = image(upstream), caching()
    get(server, f"/v2/hub/team/app/blobs/{pushed.layers[0]}")  # no manifest names it here
    assert gc(server)["contents"] == 0
    assert contents(server) == {pushed.layers[0]}


def test_the_least_used_goes_when_the_budget_is_spent(upstream: FakeRegistry, caching: Caching) -> None:
    layers = [os.urandom(300_000) for _ in range(6)]
    images = [image(upstream, "team/app", f"v{number}", layer) for number, layer in enumerate(layers)]
    server = caching({"size": 1_000_000})
    with closing(server.client()) as client:
        for number in (0, 1, 0, 2, 0, 3, 0, 4, 0, 5):
            assert not damage(client, "hub/team/app", f"v{number}")
        there = eventually(lambda: sum(path.stat().st_size for path in blob_files(server)) <= 1_000_000, server)
        assert images[0].layers[0] in there and images[5].layers[0] in there
        assert not {images[1].layers[0], images[2].layers[0]} & there
        assert not damage(client, "hub/team/app", "v1")


def test_what_was_deleted_here_is_no_part_of_the_budget(upstream: FakeRegistry, caching: Caching) -> None:
    images = [image(upstream, "team/app", f"v{number}", os.urandom(300_000)) for number in range(3)]
    server = caching({"size": 700_000})
    with closing(server.client()) as client:
        for number in (0, 1):
            assert not damage(client, "hub/team/app", f"v{number}")
        for path in (f"manifests/{images[1].manifest}", f"blobs/{images[1].layers[0]}"):
            assert client.ask("DELETE", f"/v2/hub/team/app/{path}").status == 202
        assert not damage(client, "hub/team/app", "v2")
        # What would go, goes beside what is served.
        time.sleep(0.5)
        assert not damage(client, "hub/team/app", "v0")
    assert len([request for request in upstream.asked("/blobs/") if images[0].layers[0] in request.path]) == 1


def blob_files(server: Server) -> list[Path]:
    return list((server.root / "blobs" / "sha256").iterdir())


def eventually(condition: Callable[[], bool], server: Server) -> set[str]:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return contents(server)


def test_a_cut_line_is_gone_on_with(upstream: FakeRegistry, caching: Caching) -> None:
    pushed, server = image(upstream), caching()
    upstream.fail("/blobs/", faults.break_off(1_000_000))
    answer = get(server, f"/v2/hub/team/app/blobs/{pushed.layers[0]}")
    assert sha256(answer.body) == pushed.layers[0]
    assert "Range" in upstream.asked("/blobs/")[1].headers


def test_a_part_of_a_blob_that_arrives(upstream: FakeRegistry, caching: Caching) -> None:
    pushed, server = image(upstream), caching()
    blob = upstream.blobs[pushed.layers[0]]
    answer = get(server, f"/v2/hub/team/app/blobs/{pushed.layers[0]}", Range="bytes=1000-1999")
    assert (answer.status, answer.body) == (206, blob[1000:2000])
    assert get(server, f"/v2/hub/team/app/blobs/{pushed.layers[0]}", Range="bytes=-5").body == blob[-5:]


def test_a_registry_that_is_killed_while_it_fetches_begins_anew(upstream: FakeRegistry, caching: Caching) -> None:
    pushed, server = image(upstream), caching()
    path = f"/v2/hub/team/app/blobs/{pushed.layers[0]}"
    upstream.fail("/blobs/", faults.slow(100_000, 0.05))

    def pull() -> None:
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            get(server, path)

    pulling = threading.Thread(target=pull)
    pulling.start()
    eventually(lambda: any((server.root / "spool").iterdir()), server)
    server.kill()
    pulling.join()
    server.start()
    assert not list((server.root / "spool").iterdir())
    assert sha256(get(server, path).body) == pushed.layers[0]


def test_a_manifest_that_names_a_private_blob_does_not_open_it(upstream: FakeRegistry, caching: Caching) -> None:
    """Whoever may push to a repository upstream decides what its manifests name."""
    evil, server = image(upstream, "evil/app"), caching()
    secret = upstream.blobs.pop(evil.layers[0])
    with closing(server.client()) as client:
        client.push_image("private/app", "v1", secret)
        assert client.ask("GET", "/v2/hub/evil/app/manifests/v1").status == 200
        assert client.ask("GET", f"/v2/hub/evil/app/blobs/{evil.layers[0]}").status == 404
        assert client.ask("GET", f"/v2/private/app/blobs/{evil.layers[0]}").body == secret


@pytest.mark.parametrize("login", [{}, {"username": "us", "password": "secret"}])
def test_only_what_an_upstream_shows_everybody_is_shared(
    upstream: FakeRegistry, caching: Caching, login: dict[str, str]
) -> None:
    pushed, server = image(upstream), caching(**login)
    image(upstream, "team/other")
    with closing(server.client()) as client:
        assert not damage(client, "hub/team/app", "v1")
        assert not damage(client, "hub/team/other", "v1")
    assert len(upstream.asked(f"/blobs/{pushed.layers[0]}")) == (2 if login else 1)
    assert not list((server.root / "spool").iterdir())


def test_a_cached_blob_that_is_damaged_is_fetched_again(upstream: FakeRegistry, caching: Caching) -> None:
    pushed, server = image(upstream), caching()
    with closing(server.client()) as client:
        assert not damage(client, "hub/team/app", "v1")
        os.truncate(server.root / "blobs" / "sha256" / pushed.layers[0].removeprefix("sha256:"), 100)
        assert not damage(client, "hub/team/app", "v1")
