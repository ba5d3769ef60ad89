"""What a manifest may be: the kinds that are taken, and everything that is not."""

import hashlib
import json
from typing import Any

import pytest

from tests.registry.server import EMPTY, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Client, sha256

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
ABSENT = "sha256:" + "0" * 64
CONFIG = {"mediaType": OCI_CONFIG, "digest": sha256(EMPTY), "size": len(EMPTY)}


def image(**more: Any) -> dict[str, Any]:
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": CONFIG, "layers": [], **more}
    return {key: value for key, value in document.items() if value is not None}


def index_of(client: Client, repository: str, *references: str, media_type: str = OCI_INDEX) -> dict[str, Any]:
    entries = []
    for reference in references:
        found = client.ask("GET", f"/v2/{repository}/manifests/{reference}")
        media = found.headers["Content-Type"]
        entries.append({"mediaType": media, "digest": sha256(found.body), "size": len(found.body)})
    return {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}


@pytest.mark.parametrize(("one", "many"), [(OCI_MANIFEST, OCI_INDEX), (DOCKER_MANIFEST, DOCKER_LIST)])
def test_both_families_are_taken(client: Client, one: str, many: str) -> None:
    repository = f"kinds/{one.partition('.')[2][:3]}"
    client.push_image(repository, "one", b"layer", mediaType=one)
    answer = client.push_manifest(repository, "many", index_of(client, repository, "one", media_type=many))
    assert answer.status == 201
    assert client.ask("GET", f"/v2/{repository}/manifests/many").headers["Content-Type"] == many


def test_the_kind_is_told_by_the_body_when_no_header_does(client: Client) -> None:
    client.push_blob("kinds/body", EMPTY)
    for tag, document in (("typed", image()), ("untyped", image(mediaType=None))):
        answer = client.ask("PUT", f"/v2/kinds/body/manifests/{tag}", json.dumps(document))
        assert answer.status == 201
        assert client.ask("HEAD", f"/v2/kinds/body/manifests/{tag}").headers["Content-Type"] == OCI_MANIFEST


DEEP = b'{"schemaVersion": 2, "annotations": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}"
FOREIGN = {"mediaType": "application/x", "digest": "sha256:../../etc/passwd", "size": 1}
REFUSED = {
    "no JSON": (b"\xff{", OCI_MANIFEST, "malformed"),
    "empty": (b"", OCI_MANIFEST, "malformed"),
    "an array": (b"[]", OCI_MANIFEST, "malformed"),
    "a null": (b"null", OCI_MANIFEST, "malformed"),
    "nested deep": (DEEP, OCI_MANIFEST, "malformed"),
    "no schema version": (image(schemaVersion=None), OCI_MANIFEST, "schemaVersion"),
    "schema 3": (image(schemaVersion=3), OCI_MANIFEST, "schemaVersion is 3"),
    "schema 1": ({"schemaVersion": 1, "name": "a", "fsLayers": []}, SCHEMA1, "schema 1 are not supported"),
    "schema 1 in disguise": ({"schemaVersion": 1, "name": "a"}, OCI_MANIFEST, "schema 1 are not supported"),
    "an unknown kind": (image(mediaType="application/x"), "application/x", "not supported"),
    "two kinds": (image(), OCI_INDEX, "and says it is"),
    "a manifest that is an index, too": (image(manifests=[]), OCI_MANIFEST, "no manifests"),
    "an index that is a manifest, too": (image(mediaType=OCI_INDEX, manifests=[]), OCI_INDEX, "neither config"),
    "no config": (image(config=None), OCI_MANIFEST, "has config and layers"),
    "no digest": (image(layers=[{"mediaType": "a", "size": 1}]), OCI_MANIFEST, "digest"),
    "a path as digest": (image(layers=[FOREIGN]), OCI_MANIFEST, "invalid digest"),
    "a bad subject": (image(subject=FOREIGN), OCI_MANIFEST, "invalid digest"),
    "a negative size": (image(config={**CONFIG, "size": -1}), OCI_MANIFEST, "impossible size"),
    "another size": (image(config={**CONFIG, "size": 3}), OCI_MANIFEST, "has 3 bytes, it has 2"),
    "two sizes": (image(layers=[{**CONFIG, "size": 3}]), OCI_MANIFEST, "impossible size"),
    "a size beyond all bounds": (image(config={**CONFIG, "size": 10**40}), OCI_MANIFEST, ""),
    "a size beyond all bounds of what lies elsewhere": (
        image(layers=[{"mediaType": "a", "digest": ABSENT, "size": 1 << 63, "urls": ["https://example.com"]}]),
        OCI_MANIFEST,
        "malformed",
    ),
    "annotations that are none": (image(annotations={"a": [1]}), OCI_MANIFEST, "malformed"),
    "too many layers": (
        image(layers=[{"mediaType": "a", "digest": f"sha256:{n:064}", "size": 1} for n in range(10_001)]),
        OCI_MANIFEST,
        "more than 10000",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_malformed_is_refused(client: Client, name: str) -> None:
    client.push_blob("refused/one", EMPTY)
    document, content_type, words = REFUSED[name]
    body = document if isinstance(document, bytes) else json.dumps(document)
    answer = client.ask("PUT", "/v2/refused/one/manifests/v1", body, Content_Type=content_type)
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID"), answer
    assert words in answer.json["errors"][0]["message"]
    assert client.ask("HEAD", "/v2/refused/one/manifests/v1").status == 404


def test_indexes_lie_only_so_deep_in_each_other(client: Client) -> None:
    client.push_image("deep/one", "level0")
    for level in range(1, 6):
        answer = client.push_manifest("deep/one", f"level{level}", index_of(client, "deep/one", f"level{level - 1}"))
        assert answer.status == (201 if level < 5 else 400)
    assert "deeper" in answer.json["errors"][0]["message"]


def test_an_index_needs_its_manifests_in_the_same_repository(client: Client) -> None:
    client.push_image("parts/one", "v1")
    index = index_of(client, "parts/one", "v1")
    assert client.push_manifest("parts/two", "all", index).code == "MANIFEST_BLOB_UNKNOWN"
    assert client.push_manifest("parts/one", "all", index).status == 201
    # A blob of the same digest is no manifest.
    body = client.ask("GET", "/v2/parts/one/manifests/v1").body
    client.push_blob("parts/three", body)
    assert client.push_manifest("parts/three", "all", index).code == "MANIFEST_BLOB_UNKNOWN"


def test_what_lies_elsewhere_need_not_be_here(client: Client) -> None:
    client.push_blob("foreign/one", EMPTY)
    layer = {"mediaType": OCI_LAYER, "digest": ABSENT, "size": 9, "urls": ["https://example.com/layer"]}
    assert client.push_manifest("foreign/one", "v1", image(layers=[layer])).status == 201


def test_what_an_index_names_cannot_be_deleted(client: Client) -> None:
    digest = client.push_image("kept/one", "v1")
    assert client.push_manifest("kept/one", "all", index_of(client, "kept/one", "v1")).status == 201
    refused = client.ask("DELETE", f"/v2/kept/one/manifests/{digest}")
    assert (refused.status, refused.code) == (405, "DENIED")
    assert client.ask("DELETE", "/v2/kept/one/manifests/v1").status == 202
    index = client.ask("HEAD", "/v2/kept/one/manifests/all").headers["Docker-Content-Digest"]
    for gone in (index, digest):
        assert client.ask("DELETE", f"/v2/kept/one/manifests/{gone}").status == 202


def test_a_manifest_has_the_digest_it_is_pushed_by(client: Client) -> None:
    client.push_blob("digests/one", EMPTY)
    body = json.dumps(image()).encode()
    sha512 = "sha512:" + hashlib.sha512(body).hexdigest()
    path = "/v2/digests/one/manifests"
    answer = client.ask("PUT", f"{path}/{sha512}", body, Content_Type=OCI_MANIFEST)
    assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, sha512)
    assert client.ask("GET", f"{path}/{sha512}").body == body
    assert client.ask("PUT", f"{path}/{ABSENT}", body, Content_Type=OCI_MANIFEST).code == "DIGEST_INVALID"
    assert client.ask("HEAD", f"{path}/{sha256(body)}").status == 404


def test_a_tag_moves_and_the_old_manifest_stays(client: Client) -> None:
    old, new = client.push_image("moves/one", "latest", b"old"), client.push_image("moves/one", "latest", b"new")
    assert client.ask("HEAD", "/v2/moves/one/manifests/latest").headers["Docker-Content-Digest"] == new
    assert client.ask("HEAD", f"/v2/moves/one/manifests/{old}").status == 200


def test_repositories_with_manifests_are_listed_in_pages(client: Client) -> None:
    for name in ("listed/c", "listed/a", "listed/b"):
        client.push_image(name, "v1")
    client.push_blob("listed/blob-only", EMPTY)
    first = client.ask("GET", "/v2/_catalog?n=2&last=listed")
    assert first.json == {"repositories": ["listed/a", "listed/b"]}
    second = client.ask("GET", first.headers["Link"].partition(">")[0].removeprefix("<"))
    assert second.json["repositories"][0] == "listed/c"
    for wrong in ("x", "-1", "1.5", ""):
        assert client.ask("GET", f"/v2/_catalog?n={wrong}").code == "PAGINATION_NUMBER_INVALID"


def test_many_referrers_come_in_pages(client: Client) -> None:
    subject = {"mediaType": OCI_MANIFEST, "digest": ABSENT, "size": 3}
    expected = {
        client.push_image("pages/one", f"r{n}", subject=subject, annotations={"n": str(n) * 700_000}) for n in range(5)
    }
    path: str | None = f"/v2/pages/one/referrers/{ABSENT}"
    found: list[str] = []
    pages = 0
    while path:
        answer = client.ask("GET", path)
        assert len(answer.body) <= 4 << 20
        found += [entry["digest"] for entry in answer.json["manifests"]]
        pages += 1
        link = answer.headers["Link"]
        path = link.partition(">")[0].removeprefix("<") if link else None
    assert (set(found), len(found), pages) == (expected, 5, 3)


def test_conditional_requests(client: Client) -> None:
    digest = client.push_image("conditional/one", "v1", b"layer")
    for path in ("manifests/v1", f"manifests/{digest}", f"blobs/{sha256(b'layer')}"):
        etag = client.ask("GET", f"/v2/conditional/one/{path}").headers["Etag"]
        for sent in (etag, f'W/{etag}, "other"', '"other",' + etag):
            answer = client.ask("GET", f"/v2/conditional/one/{path}", If_None_Match=sent)
            assert (answer.status, answer.body, answer.headers["Etag"]) == (304, b"", etag)
        assert client.ask("GET", f"/v2/conditional/one/{path}", If_None_Match='"other"').status == 200
    client.push_image("conditional/one", "v1", b"changed")
    assert client.ask("GET", "/v2/conditional/one/manifests/v1", If_None_Match=f'"{digest}"').status == 200
