"""Quotas: what would be too much is refused, also when it comes from several at once; what is there costs nothing."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.registry.server import EMPTY, Answer, Client, Server, path_of, sha256
from tests.registry.upkeep import configured, gc

KB = 1000
QUOTAS = {"alone/*": {"size": 20 * KB}, "team/**": {"size": 20 * KB, "together": True}, "none": {"size": 0}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = configured(tmp_path_factory.mktemp("quota"), quota=QUOTAS, gc={"interval": "0s", "grace": "0s"})
    yield running
    running.close()


def put(client: Client, repository: str, data: bytes) -> Answer:
    """Push a blob in pieces whose total the registry is not told before."""
    begun = client.ask("POST", f"/v2/{repository}/blobs/uploads/")
    if begun.status != 202:
        return begun
    chunked = client.ask("PATCH", path_of(begun), iter([data[:5000], data[5000:]]))
    if chunked.status != 202:
        return chunked
    return client.ask("PUT", f"{path_of(chunked)}?digest={sha256(data)}")


def test_what_is_too_much_is_refused_with_the_figures(client: Client) -> None:
    assert put(client, "alone/a", b"1" * 15 * KB).status == 201
    answer = put(client, "alone/a", b"2" * 6 * KB)
    assert (answer.status, answer.code) == (403, "DENIED")
    assert answer.json["errors"][0]["message"].startswith("quota exceeded: the repository may hold 19.53KiB")
    assert answer.json["errors"][0]["detail"] == {"repository": "alone/a", "limit": 20 * KB, "needed": 21 * KB}
    assert put(client, "alone/a", b"3" * 5 * KB).status == 201
    assert put(client, "alone/b", b"2" * 6 * KB).status == 201


def test_a_length_that_is_announced_is_refused_before_it_comes(client: Client) -> None:
    answer = client.ask("POST", f"/v2/alone/c/blobs/uploads/?digest={sha256(b'')}", None, Content_Length="30000")
    assert (answer.status, answer.code) == (403, "DENIED")
    client.close()  # the body that was announced never comes


def test_a_stream_of_unknown_length_is_refused_while_it_comes(server: Server, client: Client) -> None:
    location = client.begin("alone/endless")
    answer = client.ask("PATCH", location, iter([b"8" * 100 * KB] * 50))
    assert (answer.status, answer.code) == (403, "DENIED")
    assert client.ask("GET", location).code == "BLOB_UPLOAD_UNKNOWN"
    assert not list((server.root / "uploads").iterdir())


def test_what_is_there_costs_nothing(client: Client) -> None:
    data = b"4" * 15 * KB
    digest = sha256(data)
    assert put(client, "team/a", data).status == 201
    mounted = client.ask("POST", f"/v2/team/b/blobs/uploads/?mount={digest}&from=team/a")
    assert mounted.status == 201
    assert put(client, "team/deep/er", b"5" * 6 * KB).status == 403
    assert put(client, "team/deep/er", b"6" * 5 * KB).status == 201


def test_manifests_count(client: Client) -> None:
    answer = client.push_manifest("none", "v1", {"schemaVersion": 2, "mediaType": "x"})
    assert answer.status == 400
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    answer = client.push_manifest("none", "v1", index)
    assert (answer.status, answer.code) == (403, "DENIED")


def test_collected_garbage_makes_room(server: Server, client: Client) -> None:
    assert put(client, "alone/full", b"7" * 20 * KB).status == 201
    assert put(client, "alone/full", EMPTY).status == 403
    gc(server)
    assert put(client, "alone/full", EMPTY).status == 201


def test_pushes_at_once_are_not_too_much_together(server: Server) -> None:
    statuses: list[int] = []

    def push(number: int) -> None:
        with closing(server.client()) as own:
            statuses.append(put(own, "alone/race", bytes([number]) * 6 * KB).status)

    pushing = [threading.Thread(target=push, args=[number]) for number in range(12)]
    for thread in pushing:
        thread.start()
    for thread in pushing:
        thread.join()
    assert sorted(statuses) == [201] * 3 + [403] * 9
