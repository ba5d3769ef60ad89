"""A full disk: a clear refusal, nothing lost, uploads that can go on when there is room again, and deletions."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.server import OCI_MANIFEST, Server, path_of, sha256

pytestmark = pytest.mark.system


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    server = Server(small_disk / "root")
    client = server.client()
    kept = client.push_image("full/one", "kept", b"kept")
    path = client.begin("full/one")
    data = os.urandom(4_000_000)
    assert client.ask("PATCH", path, data[:1_000_000]).status == 202
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        room = os.statvfs(small_disk)
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - 700_000)
    full = client.ask("PATCH", path, data[1_000_000:])
    assert full.status == 507 and "no space left" in full.json["errors"][0]["message"], full
    # What had come before is there, whatever else came.
    where = client.ask("GET", path)
    offset = int((where.headers["Range"] or "").partition("-")[2]) + 1
    assert 1_000_000 <= offset < len(data)
    with filler.open("ab") as file:
        room = os.statvfs(small_disk)
        file.write(b"\0" * (room.f_bavail * room.f_frsize))
    body = client.ask("GET", f"/v2/full/one/manifests/{kept}").body
    refused = [
        client.ask("POST", "/v2/full/one/blobs/uploads/"),
        client.ask("PUT", "/v2/full/one/manifests/new", body + b" " * 100_000, Content_Type=OCI_MANIFEST),
    ]
    for answer in refused:
        message = answer.json["errors"][0]["message"]
        assert answer.status in (500, 507) and ("full" in message or "no space left" in message), answer
    assert client.ask("HEAD", "/v2/full/one/manifests/new").status == 404
    assert sha256(client.ask("GET", "/v2/full/one/manifests/kept").body) == kept
    # A deletion is possible even now.
    assert client.ask("DELETE", f"/v2/full/one/manifests/{kept}").status == 202
    filler.unlink()
    done = client.ask("PUT", f"{path_of(where)}?digest={sha256(data)}", data[offset:])
    assert done.status == 201, done
    assert client.ask("GET", path_of(done)).body == data
    client.close()
    server.close()
