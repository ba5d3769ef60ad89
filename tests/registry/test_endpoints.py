"""Every row of the distribution-spec's table of endpoints, and every error code, through the real socket.

The tables are read from the specification data: a row without a test here fails.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.registry.server import EMPTY, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Answer, Client, path_of, sha256

ABSENT = "sha256:" + "0" * 64
Row = Callable[[Client, str], list[Answer]]
"""A test of a row, in a repository of its own: the answers it got to requests of that row, good and bad."""

ROWS: dict[str, Row] = {}


def table(spec: Path) -> Any:
    return json.loads((spec / "distribution-spec" / "endpoints.json").read_text())


def row(identifier: str) -> Callable[[Row], Row]:
    """The decorated function tests this row of the table."""

    def note(test: Row) -> Row:
        ROWS[identifier] = test
        return test

    return note


def test_every_row_has_a_test_and_its_statuses(spec: Path, client: Client) -> None:
    rows = table(spec)["endpoints"]
    assert {each["id"] for each in rows} == set(ROWS)
    for each in rows:
        answers = ROWS[each["id"]](client, f"row/{each['id']}")
        statuses = {answer.status for answer in answers}
        assert statuses & set(each["ok"]), each["id"]
        assert statuses <= {*each["ok"], *each["fail"]}, each["id"]
        assert all(answer.code for answer in answers if answer.status >= 400 and answer.body), each["id"]


INDEX = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{"mediaType": "a", "digest": ABSENT, "size": 3}]}
CODES: dict[str, Callable[[Client, str], Answer]] = {
    "BLOB_UNKNOWN": lambda client, name: client.ask("GET", f"/v2/{name}/blobs/{ABSENT}"),
    "BLOB_UPLOAD_INVALID": lambda client, name: client.ask("PATCH", client.begin(name), b"12345", Content_Range="five"),
    "BLOB_UPLOAD_UNKNOWN": lambda client, name: client.ask("GET", f"/v2/{name}/blobs/uploads/0123"),
    "DIGEST_INVALID": lambda client, name: client.ask("GET", f"/v2/{name}/blobs/sha256:short"),
    "MANIFEST_BLOB_UNKNOWN": lambda client, name: client.push_manifest(name, "v1", INDEX),
    "MANIFEST_INVALID": lambda client, name: client.ask(
        "PUT", f"/v2/{name}/manifests/v1", b"[", Content_Type=OCI_INDEX
    ),
    "MANIFEST_UNKNOWN": lambda client, name: client.ask("GET", f"/v2/{name}/manifests/v1"),
    "NAME_INVALID": lambda client, name: client.ask("GET", f"/v2/{name}/../other/tags/list"),
    "NAME_UNKNOWN": lambda client, name: client.ask("GET", f"/v2/{name}/tags/list"),
    "SIZE_INVALID": lambda client, name: client.ask("PATCH", client.begin(name), b"12345", Content_Range="0-9"),
    "UNSUPPORTED": lambda client, name: client.ask("POST", f"/v2/{name}/tags/list"),
}
# Those that need a policy are tested where the policy is.
ELSEWHERE = {"UNAUTHORIZED", "DENIED", "TOOMANYREQUESTS"}


def test_every_error_code_is_given(spec: Path, client: Client) -> None:
    document = table(spec)
    names = {each["code"]: each for each in document["errors"]}
    assert set(names) == set(CODES) | ELSEWHERE
    for name, ask in CODES.items():
        answer = ask(client, f"code/{name.lower().replace('_', '-')}")
        assert answer.code == name, (name, answer)
        assert answer.json["errors"][0]["message"]
        assert answer.headers["Content-Type"] == "application/json"
        if name == "MANIFEST_BLOB_UNKNOWN":
            assert answer.json["errors"][0]["detail"] == [{"digest": ABSENT}]
        if name == "UNSUPPORTED":
            assert (answer.status, answer.headers["Allow"]) == (405, "GET")


@row("end-1")
def version(client: Client, repository: str) -> list[Answer]:
    answer = client.ask("GET", "/v2/")
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    return [answer]


@row("end-2")
def blob(client: Client, repository: str) -> list[Answer]:
    digest = client.push_blob(repository, b"content")["digest"]
    path = f"/v2/{repository}/blobs/{digest}"
    whole, head = client.ask("GET", path), client.ask("HEAD", path)
    assert (whole.body, head.body) == (b"content", b"")
    for answer in (whole, head):
        assert answer.headers["Content-Length"] == "7"
        assert answer.headers["Docker-Content-Digest"] == digest
    part = client.ask("GET", path, Range="bytes=2-3")
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, b"nt", "bytes 2-3/7")
    missing = client.ask("HEAD", f"/v2/{repository}/blobs/{ABSENT}")
    return [whole, head, missing, client.ask("GET", f"/v2/{repository}/blobs/{ABSENT}")]


@row("end-3")
def manifest(client: Client, repository: str) -> list[Answer]:
    digest = client.push_image(repository, "v1", b"layer")
    answers = []
    for reference in ("v1", digest):
        path = f"/v2/{repository}/manifests/{reference}"
        whole, head = client.ask("GET", path, Accept=OCI_MANIFEST), client.ask("HEAD", path, Accept=OCI_MANIFEST)
        assert sha256(whole.body) == digest and head.body == b""
        for answer in (whole, head):
            assert answer.headers["Content-Length"] == str(len(whole.body))
            assert answer.headers["Content-Type"] == OCI_MANIFEST
            assert answer.headers["Docker-Content-Digest"] == digest
        answers += [whole, head]
    return [*answers, *(client.ask("GET", f"/v2/{repository}/manifests/{absent}") for absent in ("v2", ABSENT))]


@row("end-4a")
def begin(client: Client, repository: str) -> list[Answer]:
    answer = client.ask("POST", f"/v2/{repository}/blobs/uploads/")
    assert path_of(answer).startswith(f"/v2/{repository}/blobs/uploads/")
    done = client.ask("PUT", f"{path_of(answer)}?digest={sha256(b'all')}", b"all")
    assert (done.status, path_of(done)) == (201, f"/v2/{repository}/blobs/{sha256(b'all')}")
    return [answer]


@row("end-4b")
def in_one_request(client: Client, repository: str) -> list[Answer]:
    digest = sha256(b"in one")
    answer = client.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", b"in one")
    assert client.ask("GET", path_of(answer)).body == b"in one"
    wrong = client.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={ABSENT}", b"in one")
    assert wrong.code == "DIGEST_INVALID"
    return [answer, wrong]


@row("end-4c")
def with_algorithm(client: Client, repository: str) -> list[Answer]:
    answer = client.ask("POST", f"/v2/{repository}/blobs/uploads/?digest-algorithm=sha512")
    digest = "sha512:" + hashlib.sha512(b"longer").hexdigest()
    assert client.ask("PUT", f"{path_of(answer)}?digest={digest}", b"longer").status == 201
    assert client.ask("GET", f"/v2/{repository}/blobs/{digest}").body == b"longer"
    return [answer, client.ask("POST", f"/v2/{repository}/blobs/uploads/?digest-algorithm=md5")]


@row("end-5")
def chunk(client: Client, repository: str) -> list[Answer]:
    path = client.begin(repository)
    first = client.ask("PATCH", path, b"first ", Content_Range="0-5")
    assert first.headers["Range"] == "0-5"
    path = path_of(first)
    out_of_step = client.ask("PATCH", path, b"late", Content_Range="9-12")
    assert (out_of_step.status, out_of_step.headers["Range"], path_of(out_of_step)) == (416, "0-5", path)
    second = client.ask("PATCH", path, b"second", Content_Range="6-11")
    assert second.headers["Range"] == "0-11"
    done = client.ask("PUT", f"{path_of(second)}?digest={sha256(b'first second')}")
    assert (done.status, client.ask("GET", path_of(done)).body) == (201, b"first second")
    return [first, out_of_step, second, client.ask("PATCH", path, b"too late")]


@row("end-6")
def close_upload(client: Client, repository: str) -> list[Answer]:
    path = path_of(client.ask("PATCH", client.begin(repository), b"all but "))
    out_of_step = client.ask("PUT", f"{path}?digest={sha256(b'all but last')}", b"last", Content_Range="4-7")
    done = client.ask("PUT", f"{path}?digest={sha256(b'all but last')}", b"last", Content_Range="8-11")
    assert client.ask("GET", path_of(done)).body == b"all but last"
    wrong = client.ask("PUT", f"{client.begin(repository)}?digest={ABSENT}", b"something else")
    assert (wrong.status, wrong.code) == (400, "DIGEST_INVALID")
    return [out_of_step, done, wrong, client.ask("PUT", f"{path}?digest={ABSENT}")]


@row("end-7a")
def put_manifest(client: Client, repository: str) -> list[Answer]:
    config = {"mediaType": OCI_CONFIG, **client.push_blob(repository, EMPTY)}
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
    document["subject"] = {"mediaType": OCI_MANIFEST, "digest": ABSENT, "size": 7}
    # Byte for byte: blanks and order are the client's.
    text = json.dumps(document, indent=3).encode()
    path = f"/v2/{repository}/manifests"
    answer = client.ask("PUT", f"{path}/v1", text, Content_Type=OCI_MANIFEST)
    assert answer.headers["OCI-Subject"] == ABSENT
    assert path_of(answer) == f"{path}/{sha256(text)}" and answer.headers["Docker-Content-Digest"] == sha256(text)
    assert client.ask("GET", f"{path}/v1").body == text
    large = json.dumps({**document, "annotations": {"big": "x" * ((4 << 20) - 1000)}}).encode()
    accepted = client.ask("PUT", f"{path}/large", large, Content_Type=OCI_MANIFEST)
    assert client.ask("GET", f"{path}/large").body == large
    larger = client.ask("PUT", f"{path}/larger", large + b" " * 1000, Content_Type=OCI_MANIFEST)
    incomplete = {**document, "layers": [{"mediaType": "application/x", "digest": ABSENT, "size": 3}]}
    missing = client.push_manifest(repository, "v2", incomplete)
    assert (larger.status, missing.status) == (413, 404)
    assert client.ask("HEAD", f"{path}/v2").status == client.ask("HEAD", f"{path}/larger").status == 404
    return [answer, accepted, larger, missing]


@row("end-7b")
def put_with_tags(client: Client, repository: str) -> list[Answer]:
    client.push_image(repository, "v1")
    text = client.ask("GET", f"/v2/{repository}/manifests/v1").body
    path = f"/v2/{repository}/manifests/{sha256(text)}?tag=a&tag=b"
    answer = client.ask("PUT", path, text, Content_Type=OCI_MANIFEST)
    assert answer.headers.get_all("OCI-Tag") == ["a", "b"]
    assert client.ask("GET", f"/v2/{repository}/tags/list").json["tags"] == ["a", "b", "v1"]
    return [answer]


@row("end-8a")
def tags(client: Client, repository: str) -> list[Answer]:
    for tag in ("b", "B", "a-1", "0"):
        client.push_image(repository, tag)
    answer = client.ask("GET", f"/v2/{repository}/tags/list")
    assert answer.json == {"name": repository, "tags": ["0", "B", "a-1", "b"]}
    return [answer, client.ask("GET", f"/v2/{repository}/nobody/tags/list")]


@row("end-8b")
def tags_in_pages(client: Client, repository: str) -> list[Answer]:
    for tag in "abcde":
        client.push_image(repository, tag)
    path: str | None = f"/v2/{repository}/tags/list?n=2"
    pages = []
    while path:
        answer = client.ask("GET", path)
        pages.append(answer.json["tags"])
        link = answer.headers["Link"]
        path = link.partition(">")[0].removeprefix("<") if link else None
        assert link is None or link.endswith('>; rel="next"')
    assert pages == [["a", "b"], ["c", "d"], ["e"]]
    assert client.ask("GET", f"/v2/{repository}/tags/list?n=0").json["tags"] == []
    assert client.ask("GET", f"/v2/{repository}/tags/list?n=9&last=c").json["tags"] == ["d", "e"]
    return [answer, client.ask("GET", f"/v2/{repository}/nobody/tags/list?n=2")]


@row("end-9")
def delete_manifest(client: Client, repository: str) -> list[Answer]:
    digest = client.push_image(repository, "v1")
    assert client.push_image(repository, "v2") == digest
    path = f"/v2/{repository}/manifests"
    by_tag = client.ask("DELETE", f"{path}/v1")
    statuses = [client.ask("HEAD", f"{path}/{reference}").status for reference in ("v1", "v2", digest)]
    assert statuses == [404, 200, 200]
    by_digest = client.ask("DELETE", f"{path}/{digest}")
    assert [client.ask("HEAD", f"{path}/{reference}").status for reference in ("v2", digest)] == [404, 404]
    assert client.ask("GET", f"/v2/{repository}/tags/list").json["tags"] == []
    return [by_tag, by_digest, *(client.ask("DELETE", f"{path}/{gone}") for gone in ("v2", digest))]


@row("end-10")
def delete_blob(client: Client, repository: str) -> list[Answer]:
    digest = client.push_blob(repository, b"short-lived")["digest"]
    path = f"/v2/{repository}/blobs/{digest}"
    deleted = client.ask("DELETE", path)
    assert client.ask("HEAD", path).status == 404
    image = client.push_image(repository, "v1", b"long-lived")
    used = client.ask("DELETE", f"/v2/{repository}/blobs/{sha256(b'long-lived')}")
    assert (used.status, used.code) == (405, "DENIED") and image in used.json["errors"][0]["message"]
    return [deleted, used, client.ask("DELETE", path)]


@row("end-11")
def mount(client: Client, repository: str) -> list[Answer]:
    digest = client.push_blob(f"{repository}/source", b"mounted")["digest"]
    path = f"/v2/{repository}/blobs/uploads/?mount="
    mounted = client.ask("POST", f"{path}{digest}&from={repository}/source")
    assert (mounted.status, path_of(mounted)) == (201, f"/v2/{repository}/blobs/{digest}")
    assert client.ask("GET", path_of(mounted)).body == b"mounted"
    others = [client.ask("POST", f"{path}{wanted}") for wanted in (digest, f"{ABSENT}&from={repository}/source")]
    for answer in others:
        assert (answer.status, path_of(answer)[:-32]) == (202, f"/v2/{repository}/blobs/uploads/")
    return [mounted, *others]


def refer(client: Client, repository: str, subject: str, kind: str, **annotations: str) -> dict[str, Any]:
    """Push an artifact of ``kind`` that refers to ``subject``: its descriptor as the referrers API tells it."""
    described = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 3}
    digest = client.push_image(repository, kind, subject=described, artifactType=kind, annotations=annotations)
    size = len(client.ask("GET", f"/v2/{repository}/manifests/{digest}").body)
    entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": size, "artifactType": kind}
    return {**entry, **({"annotations": annotations} if annotations else {})}


def by_digest(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(entries, key=lambda entry: str(entry["digest"]))


@row("end-12a")
def referrers(client: Client, repository: str) -> list[Answer]:
    path = f"/v2/{repository}/referrers/{ABSENT}"
    nobody = client.ask("GET", path)
    assert nobody.json == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    expected = [refer(client, repository, ABSENT, "sbom", made="today"), refer(client, repository, ABSENT, "scan")]
    answer = client.ask("GET", path)
    assert answer.headers["Content-Type"] == OCI_INDEX
    assert answer.json["manifests"] == by_digest(expected)
    assert client.ask("DELETE", f"/v2/{repository}/manifests/{expected[0]['digest']}").status == 202
    assert client.ask("GET", path).json["manifests"] == expected[1:]
    return [nobody, answer, client.ask("GET", f"/v2/{repository}/referrers/latest")]


@row("end-12b")
def filtered_referrers(client: Client, repository: str) -> list[Answer]:
    refer(client, repository, ABSENT, "scan")
    expected = refer(client, repository, ABSENT, "sbom")
    answer = client.ask("GET", f"/v2/{repository}/referrers/{ABSENT}?artifactType=sbom")
    assert answer.json["manifests"] == [expected]
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    return [answer, client.ask("GET", f"/v2/{repository}/referrers/sha256:1?artifactType=sbom")]


@row("end-13")
def upload_status(client: Client, repository: str) -> list[Answer]:
    path = client.begin(repository)
    empty = client.ask("GET", path)
    assert empty.headers["Range"] is None
    client.ask("PATCH", path, b"12345")
    answer = client.ask("GET", path)
    assert (answer.headers["Range"], path_of(answer)) == ("0-4", path)
    return [empty, answer, client.ask("GET", path[:-1] + "x")]


@row("end-14")
def drop_upload(client: Client, repository: str) -> list[Answer]:
    path = client.begin(repository)
    return [client.ask("DELETE", path), client.ask("DELETE", path)]


@pytest.mark.parametrize("path", ["/x", "/v1/images", "/v2/a/b", "/v2/a/blobs/", "/v3/"])
def test_other_paths_lead_nowhere(client: Client, path: str) -> None:
    assert client.ask("GET", path).status == 404
