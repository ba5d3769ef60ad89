"""Retention rules, carried out by the collector on a real registry."""

from pathlib import Path

import pytest

from tests.registry.server import OCI_INDEX, OCI_MANIFEST, Client, sha256
from tests.registry.upkeep import configured, contents, damage, gc

RULES = {
    "ci/*": {"keep-latest": 2, "keep-tags": ["stable*"], "untagged": "0s"},
    "nightly/**": {"keep-younger": "1h"},
    "**": {"untagged": "0s"},
}


def tags(client: Client, repository: str) -> list[str]:
    return list(client.ask("GET", f"/v2/{repository}/tags/list").json["tags"])


def test_rules_are_carried_out_as_they_were_reported(tmp_path: Path) -> None:
    server = configured(tmp_path, retention=RULES, gc={"interval": "0s", "grace": "0s"})
    client = server.client()
    for number in range(4):
        client.push_image("ci/app", f"v{number}", b"ci%d" % number)
        client.push_image("nightly/app", f"v{number}", b"nightly%d" % number)
    client.push_image("ci/app", "stable-1", b"ci0")
    replaced = client.push_image("other", "latest", b"old")
    client.push_image("other", "latest", b"new")
    would = gc(server, "--dry-run")
    report = gc(server)
    assert report == would
    assert sorted(tag for _, tag, *_ in report["tags"]) == ["v0", "v1"]
    assert tags(client, "ci/app") == ["stable-1", "v2", "v3"]
    assert tags(client, "nightly/app") == ["v0", "v1", "v2", "v3"]
    assert client.ask("GET", f"/v2/other/manifests/{replaced}").status == 404
    assert not damage(client, "ci/app", "stable-1") and not damage(client, "ci/app", "v2")
    assert {sha256(b"ci0"), sha256(b"ci3"), sha256(b"new")} <= contents(server)
    assert not {sha256(b"ci1"), sha256(b"old")} & contents(server)
    client.close()
    server.close()


@pytest.mark.parametrize("tagged", [True, False])
def test_indexes_and_attachments_go_whole_or_stay_whole(tmp_path: Path, tagged: bool) -> None:
    server = configured(tmp_path, retention=RULES, gc={"interval": "0s", "grace": "0s"})
    client = server.client()
    child = client.push_image("app", "child", b"child")
    entry = {
        "mediaType": OCI_MANIFEST,
        "digest": child,
        "size": len(client.ask("GET", f"/v2/app/manifests/{child}").body),
    }
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    digest = client.push_manifest("app", "latest", index).headers["Docker-Content-Digest"]
    subject = {"mediaType": OCI_INDEX, "digest": digest, "size": 1}
    client.push_image("app", "signature", b"signature", subject=subject)
    for tag in ("child", "signature", *([] if tagged else ["latest"])):
        assert client.ask("DELETE", f"/v2/app/manifests/{tag}").status == 202
    gc(server)
    assert len(client.ask("GET", f"/v2/app/referrers/{digest}").json["manifests"]) == tagged
    assert client.ask("GET", f"/v2/app/manifests/{child}").status == (200 if tagged else 404)
    assert (sha256(b"child") in contents(server), sha256(b"signature") in contents(server)) == (tagged, tagged)
    client.close()
    server.close()
