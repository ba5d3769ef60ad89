"""skopeo, unmodified: images copied in and out, whole and with several platforms, listed, inspected, deleted."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.registry.server import Client, Server
from tests.system import images

Skopeo = Callable[..., str]


@pytest.fixture
def skopeo(tmp_path: Path) -> Skopeo:
    program = shutil.which("skopeo")
    if program is None:
        pytest.fail("skopeo is missing (scripts/setup --dev brings it)")

    def run(*arguments: str) -> str:
        command = [program, "--insecure-policy", "--tmpdir", str(tmp_path), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


IN, OUT = "--dest-tls-verify=false", "--src-tls-verify=false"


@pytest.fixture
def layout(tmp_path: Path, skopeo: Skopeo) -> str:
    """busybox as an OCI layout on disk."""
    place = f"oci:{tmp_path / 'layout'}:latest"
    skopeo("copy", f"docker-archive:{images.busybox().archive('busybox:latest')}", place)
    return place


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_an_image_goes_in_and_comes_out(server: Server, skopeo: Skopeo, layout: str, tmp_path: Path, form: str) -> None:
    there = f"docker://127.0.0.1:{server.port}/skopeo/{form}:latest"
    skopeo("copy", IN, "--format", form, layout, there)
    skopeo("copy", IN, "--format", form, layout, there)
    back = tmp_path / "back"
    skopeo("copy", OUT, there, f"dir:{back}")
    described = json.loads(skopeo("inspect", "--tls-verify=false", there))
    assert (described["Name"], described["RepoTags"]) == (f"127.0.0.1:{server.port}/skopeo/{form}", ["latest"])
    manifest = json.loads((back / "manifest.json").read_text())
    for part in (manifest["config"], *manifest["layers"]):
        assert images.file_digest(back / part["digest"].partition(":")[2]) == part["digest"]


def test_tags_are_listed_and_deleted(server: Server, skopeo: Skopeo, layout: str, client: Client) -> None:
    there = f"docker://127.0.0.1:{server.port}/skopeo/tags"
    for tag in ("v1", "v2"):
        skopeo("copy", IN, layout, f"{there}:{tag}")
    assert json.loads(skopeo("list-tags", "--tls-verify=false", there))["Tags"] == ["v1", "v2"]
    # It deletes the manifest, and with that every tag.
    skopeo("delete", "--tls-verify=false", f"{there}:v1")
    assert client.ask("GET", "/v2/skopeo/tags/tags/list").json["tags"] == []


def test_all_platforms_are_copied(server: Server, skopeo: Skopeo, client: Client, layout: str, tmp_path: Path) -> None:
    here = f"127.0.0.1:{server.port}/skopeo"
    digests = []
    for architecture in ("amd64", "arm64"):
        archive = images.busybox().derive(f"registry-{architecture}", architecture=architecture).archive("a:latest")
        skopeo("copy", IN, "--format", "oci", f"docker-archive:{archive}", f"docker://{here}/many:{architecture}")
        found = client.ask("HEAD", f"/v2/skopeo/many/manifests/{architecture}").headers
        digests.append((architecture, found["Docker-Content-Digest"], int(found["Content-Length"] or 0)))
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest,
                "size": size,
                "platform": {"os": "linux", "architecture": architecture},
            }
            for architecture, digest, size in digests
        ],
    }
    assert client.push_manifest("skopeo/many", "all", index).status == 201
    skopeo("copy", "--all", OUT, IN, f"docker://{here}/many:all", f"docker://{here}/copied:all")
    skopeo("copy", "--all", OUT, f"docker://{here}/copied:all", f"oci:{tmp_path / 'all'}:all")
    copied = client.ask("GET", "/v2/skopeo/copied/manifests/all")
    assert copied.body == client.ask("GET", "/v2/skopeo/many/manifests/all").body
    for _, digest, _ in digests:
        assert digest is not None
        assert (tmp_path / "all" / "blobs" / "sha256" / digest.partition(":")[2]).exists()


def test_blobs_are_mounted_from_where_they_are(server: Server, skopeo: Skopeo, layout: str, client: Client) -> None:
    here = f"docker://127.0.0.1:{server.port}/skopeo"
    skopeo("copy", IN, layout, f"{here}/first:latest")
    skopeo("copy", IN, OUT, f"{here}/first:latest", f"{here}/second:latest")
    first, second = (client.ask("GET", f"/v2/skopeo/{name}/manifests/latest").body for name in ("first", "second"))
    assert first == second
