"""oras, the Python client for artifacts, unmodified: files pushed and pulled, whole and in chunks, and referrers."""

import os
from pathlib import Path

import oras.client
import oras.oci
import pytest

from tests.registry.server import Client, Server


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: oras takes no other paths."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("chunked", [False, True])
def test_files_go_in_and_come_out(server: Server, place: Path, chunked: bool) -> None:
    client = oras.client.OrasClient(hostname=f"127.0.0.1:{server.port}", insecure=True)
    target = f"127.0.0.1:{server.port}/oras/files:c{int(chunked)}"
    content = os.urandom(3_000_000)
    (place / "data.bin").write_bytes(content)
    answer = client.push(files=["data.bin"], target=target, do_chunked=chunked, chunk_size=700_000)
    assert answer.status_code == 201
    (place / "out").mkdir()
    client.pull(target=target, outdir=str(place / "out"))
    assert (place / "out" / "data.bin").read_bytes() == content
    assert f"c{int(chunked)}" in client.get_tags(target)


def test_an_artifact_refers_to_an_image(server: Server, place: Path, client: Client) -> None:
    image = client.push_image("oras/refer", "v1", b"layer")
    size = len(client.ask("GET", f"/v2/oras/refer/manifests/{image}").body)
    subject = oras.oci.Subject("application/vnd.oci.image.manifest.v1+json", image, size)
    (place / "sbom.json").write_text("{}")
    artifacts = oras.client.OrasClient(hostname=f"127.0.0.1:{server.port}", insecure=True)
    artifacts.push(
        files=["sbom.json"],
        target=f"127.0.0.1:{server.port}/oras/refer:sbom",
        manifest_annotations={"made": "today"},
        subject=subject,
    )
    entries = client.ask("GET", f"/v2/oras/refer/referrers/{image}").json["manifests"]
    assert [entry["annotations"]["made"] for entry in entries] == ["today"]
