"""A full disk: pushes and pulls through are refused or cut off, nothing that was acknowledged suffers, and collecting
garbage makes room again.
"""

import http.client
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.registry import serving_aside
from tests.registry.server import Client, Server, sha256
from tests.registry.upkeep import configured, damage, gc

MB = 1_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "havre-test", directory], check=True)
    yield directory
    subprocess.run(["umount", "-l", directory], check=True)


def fill(client: Client, repository: str) -> tuple[list[bytes], int]:
    """Push blobs of 3 MB until one is refused: those that were not, and its status."""
    pushed = []
    while True:
        data = os.urandom(3 * MB)
        answer = client.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={sha256(data)}", data)
        if answer.status != 201:
            return pushed, answer.status
        pushed.append(data)


def whole(server: Server, repository: str, blobs: list[bytes]) -> bool:
    with closing(server.client()) as client:
        return all(client.ask("GET", f"/v2/{repository}/blobs/{sha256(data)}").body == data for data in blobs)


def test_a_full_disk_is_told_and_garbage_makes_room(disk: Path) -> None:
    with serving_aside() as upstream:
        image = upstream.add_image("app", "v1", os.urandom(6 * MB))
        table = {"hub": {"url": f"http://{upstream.host}"}}
        server = configured(disk, upstreams=table, gc={"interval": "0s", "grace": "0s"})
        with closing(server.client()) as client:
            client.push_image("kept", "v1", b"kept")
            pushed, status = fill(client, "garbage")
            assert len(pushed) >= 5 and status == 507
        path = f"/v2/hub/app/blobs/{image.layers[0]}"
        with closing(server.client()) as client, pytest.raises((http.client.HTTPException, ConnectionError)):
            answer = client.ask("GET", path)
            assert answer.status < 500, answer
        assert whole(server, "garbage", pushed)
        with closing(server.client()) as client:
            assert not damage(client, "kept", "v1")
            report = gc(server)
            assert report["bytes"] == len(pushed) * 3 * MB
            assert sha256(client.ask("GET", path).body) == image.layers[0]
            client.push_image("kept", "v2", os.urandom(3 * MB))
            assert not damage(client, "kept", "v1") and not damage(client, "kept", "v2")
        server.close()
