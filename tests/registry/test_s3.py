"""The registry on a bucket: pushed, gone on with after a kill, pulled in parts or from the store itself, collected."""

import os
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from havre.registry.storages.s3 import SEGMENT
from tests.registry.s3server import BUCKET, S3Server
from tests.registry.server import EMPTY, Server, path_of, sha256
from tests.registry.upkeep import configured, damage, gc

LAYER = os.urandom(2 * SEGMENT + 1000)
AT_ONCE = {"interval": "0s", "grace": "0s"}


@pytest.fixture(scope="module")
def store() -> Iterator[S3Server]:
    with S3Server.running() as server:
        yield server


@pytest.fixture
def server(store: S3Server, tmp_path: Path) -> Iterator[Server]:
    running = configured(tmp_path, s3=store.section(prefix=f"{tmp_path.name}/"), gc=AT_ONCE)
    yield running
    running.close()


def keys(store: S3Server, server: Server) -> set[str]:
    """The names of the objects of this registry."""
    prefix = f"{server.root.parent.name}/"
    with urllib.request.urlopen(f"{store.endpoint}/{BUCKET}?list-type=2&prefix={prefix}") as answer:
        text = answer.read().decode()
    return {part.partition("</Key>")[0].removeprefix(prefix) for part in text.split("<Key>")[1:]}


def test_an_image_is_pushed_pulled_and_collected(store: S3Server, server: Server) -> None:
    with closing(server.client()) as client:
        digest = client.push_image("app", "v1", LAYER, b"small")
        assert not damage(client, "app", "v1")
        part = client.ask("GET", f"/v2/app/blobs/{sha256(LAYER)}", Range=f"bytes={SEGMENT - 3}-{SEGMENT + 2}")
        assert (part.status, part.body) == (206, LAYER[SEGMENT - 3 : SEGMENT + 3])
        mounted = client.ask("POST", f"/v2/other/blobs/uploads/?mount={sha256(LAYER)}&from=app")
        assert mounted.status == 201
        client.ask("DELETE", f"/v2/app/manifests/{digest}")
        client.push_image("kept", "v1", b"small")
    assert not list((server.root / "uploads").iterdir()) and not (server.root / "blobs").exists()
    assert gc(server)["bytes"] == len(LAYER)
    there = {sha256(data).removeprefix("sha256:") for data in (b"small", EMPTY)}
    assert {key.rpartition("/")[2] for key in keys(store, server)} == there


def test_a_chunked_push_goes_on_after_a_kill(store: S3Server, server: Server) -> None:
    sent = SEGMENT + 200_000
    with closing(server.client()) as client:
        location = path_of(client.ask("PATCH", client.begin("app"), LAYER[:sent]))
    server.kill()
    server.start()
    with closing(server.client()) as client:
        status = client.ask("GET", location)
        assert (status.status, status.headers["Range"]) == (204, f"0-{sent - 1}")
        more = client.ask("PATCH", location, LAYER[sent:], Content_Range=f"{sent}-{len(LAYER) - 1}")
        assert more.status == 202
        assert client.ask("PUT", f"{path_of(more)}?digest={sha256(LAYER)}").status == 201
        assert sha256(client.ask("GET", f"/v2/app/blobs/{sha256(LAYER)}").body) == sha256(LAYER)
    assert not [key for key in keys(store, server) if key.startswith("uploads/")]


def test_a_wrong_digest_leaves_nothing(store: S3Server, server: Server) -> None:
    with closing(server.client()) as client:
        answer = client.ask("PUT", f"{client.begin('app')}?digest={sha256(b'other')}", LAYER)
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert not keys(store, server)


def test_clients_are_sent_to_the_store_if_that_is_wanted(store: S3Server, tmp_path: Path) -> None:
    server = configured(tmp_path, s3=store.section(prefix=f"{tmp_path.name}/", redirect=True))
    with closing(server.client()) as client:
        client.push_image("app", "v1", LAYER)
        answer = client.ask("GET", f"/v2/app/blobs/{sha256(LAYER)}")
        assert answer.status == 307 and not answer.body
        with urllib.request.urlopen(str(answer.headers["Location"])) as found:
            assert sha256(found.read()) == sha256(LAYER)
        head = client.ask("HEAD", f"/v2/app/blobs/{sha256(LAYER)}")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(LAYER)))
    server.close()


def test_a_store_that_goes_away_is_told_of(tmp_path: Path) -> None:
    with S3Server.running() as store:
        server = configured(tmp_path, s3=store.section())
        with closing(server.client()) as client:
            client.push_image("app", "v1", b"small")
    with closing(server.client()) as client:
        answer = client.ask("GET", f"/v2/app/blobs/{sha256(b'small')}")
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        assert client.ask("GET", "/v2/app/manifests/v1").status == 200
    server.close()
