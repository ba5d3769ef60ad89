"""Blobs: in parts, mounted, uploaded by many at once, and wrong ones."""

import hashlib
import threading

import pytest

from tests.registry.server import Client, Server, path_of, sha256

DATA = bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        *(("bytes=0-0", 0, 1), ("bytes=5-9", 5, 10), ("bytes=10000-", 10_000, 10_240), ("bytes=-7", 10_233, 10_240)),
        *(("bytes=0-999999", 0, 10_240), ("bytes=-999999", 0, 10_240), ("bytes=10239-10239", 10_239, 10_240)),
    ],
)
def test_a_part_of_a_blob(client: Client, asked: str, start: int, end: int) -> None:
    path = f"/v2/ranges/one/blobs/{client.push_blob('ranges/one', DATA)['digest']}"
    answer = client.ask("GET", path, Range=asked)
    assert (answer.status, answer.body) == (206, DATA[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    head = client.ask("HEAD", path, Range=asked)
    assert (head.status, head.headers["Content-Length"]) == (206, str(end - start))


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_a_part_that_is_not_there(client: Client, asked: str) -> None:
    path = f"/v2/ranges/one/blobs/{client.push_blob('ranges/one', DATA)['digest']}"
    answer = client.ask("GET", path, Range=asked)
    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */10240")


@pytest.mark.parametrize("asked", ["bytes=9-5", "bytes=a-b", "bytes=0-1,5-6", "lines=1-2", "bytes=", "bytes=--1"])
def test_what_is_no_range_gets_the_whole(client: Client, asked: str) -> None:
    path = f"/v2/ranges/one/blobs/{client.push_blob('ranges/one', DATA)['digest']}"
    answer = client.ask("GET", path, Range=asked)
    assert (answer.status, answer.body) == (200, DATA)


def test_a_part_only_of_what_the_client_has_begun(client: Client) -> None:
    path = f"/v2/ranges/one/blobs/{client.push_blob('ranges/one', DATA)['digest']}"
    etag = client.ask("HEAD", path).headers["Etag"]
    assert client.ask("GET", path, Range="bytes=1-2", If_Range=etag).status == 206
    assert client.ask("GET", path, Range="bytes=1-2", If_Range='"other"').status == 200


def test_an_empty_blob(client: Client) -> None:
    digest = client.push_blob("empty/one", b"")["digest"]
    answer = client.ask("GET", f"/v2/empty/one/blobs/{digest}")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")
    assert client.ask("GET", f"/v2/empty/one/blobs/{digest}", Range="bytes=0-").status == 416


def test_a_blob_is_only_where_it_was_put(client: Client) -> None:
    digest = client.push_blob("place/one", b"private")["digest"]
    assert client.ask("GET", f"/v2/place/two/blobs/{digest}").code == "BLOB_UNKNOWN"
    assert client.ask("DELETE", f"/v2/place/two/blobs/{digest}").code == "BLOB_UNKNOWN"
    upload = client.begin("place/one")
    assert client.ask("PATCH", upload.replace("place/one", "place/two"), b"x").code == "BLOB_UPLOAD_UNKNOWN"


def test_a_chunk_of_unknown_length(client: Client) -> None:
    path = client.begin("chunked/one")
    answer = client.ask("PATCH", path, iter([b"one ", b"two"]))
    assert answer.headers["Range"] == "0-6"
    # Longer than its Content-Range says: nothing of it is kept.
    longer = client.ask("PATCH", path, iter([b"three", b"four"]), Content_Range="7-11")
    assert (longer.code, client.ask("GET", path).headers["Range"]) == ("SIZE_INVALID", "0-6")
    done = client.ask("PUT", f"{path}?digest={sha256(b'one two three')}", iter([b" three"]))
    assert client.ask("GET", path_of(done)).body == b"one two three"


def test_another_algorithm_than_was_thought_of_at_first(client: Client) -> None:
    path = client.begin("algorithms/one")
    client.ask("PATCH", path, DATA)
    digest = f"sha512:{hashlib.sha512(DATA).hexdigest()}"
    done = client.ask("PUT", f"{path}?digest={digest}")
    assert (done.status, client.ask("GET", path_of(done)).body) == (201, DATA)
    assert client.ask("GET", f"/v2/algorithms/one/blobs/{sha256(DATA)}").status == 404


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:" + "g" * 64, "md5:" + "0" * 32, "sha256:" + "A" * 64])
def test_what_is_no_digest(client: Client, digest: str) -> None:
    path = client.begin("digests/one")
    assert client.ask("PUT", f"{path}?digest={digest}", b"data").code == "DIGEST_INVALID"
    assert client.ask("PUT", path, b"data").code == "DIGEST_INVALID"
    assert client.ask("GET", path).status == 204


def test_content_that_is_not_its_digest_is_gone(server: Server, client: Client) -> None:
    before = sorted((server.root / "blobs" / "sha256").iterdir())
    path = client.begin("wrong/one")
    assert client.ask("PUT", f"{path}?digest={sha256(b'right')}", b"wrong").code == "DIGEST_INVALID"
    assert client.ask("GET", path).code == "BLOB_UPLOAD_UNKNOWN"
    assert sorted((server.root / "blobs" / "sha256").iterdir()) == before
    assert not (server.root / "uploads" / path.rpartition("/")[2]).exists()


def test_many_clients_upload_the_same_blob(server: Server) -> None:
    data = DATA * 500
    statuses: list[int] = []

    def push(number: int) -> None:
        own = server.client()
        answer = own.ask("PUT", f"{own.begin(f'same/n{number % 3}')}?digest={sha256(data)}", data)
        statuses.append(answer.status)
        own.close()

    threads = [threading.Thread(target=push, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 12
    client = server.client()
    for number in range(3):
        assert client.ask("GET", f"/v2/same/n{number}/blobs/{sha256(data)}").body == data
    client.close()


@pytest.mark.parametrize(
    "name",
    [
        *("..", "a/..", "../../etc", "a/../b", ".", "a//b", "/a", "a/", "A", "a b", "a_-b", "-a", "a-", "a..b", "ä"),
        *("a/%2e%2e/b", "%2e%2e", "a%2fb%00", "a%0a", "x" * 256, "a/" * 128 + "b"),
    ],
)
def test_names_that_break_the_rule(client: Client, name: str) -> None:
    quoted = name.replace(" ", "%20").replace("ä", "%C3%A4")
    answer = client.ask("POST", f"/v2/{quoted}/blobs/uploads/")
    assert (answer.status, answer.code) == (400, "NAME_INVALID"), answer


@pytest.mark.parametrize("name", ["a", "0", "a/b/c/d", "a__b", "a--b", "a.b-c_d", "x" * 255, "a/blobs/uploads/b"])
def test_names_that_keep_it(client: Client, name: str) -> None:
    digest = client.push_image(name, "v1", b"layer")
    assert client.ask("GET", f"/v2/{name}/manifests/v1").headers["Docker-Content-Digest"] == digest
    assert client.ask("GET", f"/v2/{name}/blobs/{sha256(b'layer')}").body == b"layer"


@pytest.mark.parametrize("tag", ["-a", ".a", "a/b", "a b", "x" * 129, "ä", "a%00", "..", "latest@"])
def test_tags_that_break_the_rule(client: Client, tag: str) -> None:
    quoted = tag.replace(" ", "%20").replace("ä", "%C3%A4").replace("/", "%2F")
    answer = client.ask("GET", f"/v2/tags/one/manifests/{quoted}")
    assert answer.status in (400, 404) and answer.code in ("MANIFEST_INVALID", "NOT_FOUND"), answer


def test_a_blob_that_has_lost_bytes_is_lacking_until_it_is_pushed_again(own_server: Server) -> None:
    client = own_server.client()
    digest = client.push_blob("damaged/one", DATA)["digest"]
    path = f"/v2/damaged/one/blobs/{digest}"
    (own_server.root / "blobs" / "sha256" / digest.removeprefix("sha256:")).write_bytes(DATA[:100])
    assert (client.ask("HEAD", path).status, client.ask("GET", path).code) == (404, "BLOB_UNKNOWN")
    mount = f"/v2/damaged/two/blobs/uploads/?mount={digest}&from=damaged/one"
    assert client.ask("POST", mount).status == 202
    client.push_blob("damaged/one", DATA)
    assert client.ask("GET", path).body == DATA
    assert client.ask("POST", mount).status == 201


def test_what_clients_do_wrong_fills_no_log(own_server: Server) -> None:
    client = own_server.client()
    answer = client.ask("PUT", f"{client.begin('wrong/one')}?digest={sha256(b'other')}", DATA)
    assert answer.code == "DIGEST_INVALID"
    assert "Traceback" not in own_server.log()
