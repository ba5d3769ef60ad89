"""Registries that mean no good: each pull ends with a clear error, leaves nothing, and takes little memory."""

import gzip
import json
import re
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import registry_faults as faults
from tests.fakes.registry import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    FakeRegistry,
    digest,
    layer_tar,
    serving_aside,
)
from tests.system.harness import Havred

MUCH = 200_000_000  # bytes of memory that no daemon needs, whatever it is sent


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Havred]:
    daemon = Havred(tmp_path_factory.mktemp("hostile"))
    daemon.start()
    yield daemon
    daemon.close()


@pytest.fixture
def server(daemon: Havred) -> Iterator[FakeRegistry]:
    with serving_aside() as server:
        yield server
    # Whatever it was: nothing is left, and the daemon is well.
    assert daemon.api("GET", "/images/json?all=1").json() == []
    assert daemon.api("POST", "/images/prune").status == 200
    assert list((daemon.data_root / "ingest").iterdir()) == []
    assert peak_memory(daemon) < MUCH


def peak_memory(daemon: Havred) -> int:
    """The most memory the daemon's own process ever had, in bytes."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def pull(daemon: Havred, server: FakeRegistry, name: str = "app") -> str:
    """The error a pull ends with."""
    answer = daemon.api("POST", f"/images/create?fromImage={server.host}/{name}&tag=latest", timeout=120)
    if answer.status != 200:
        text: str = answer.json()["message"]
        return text
    last = json.loads(answer.body.splitlines()[-1])
    assert "error" in last, last
    return str(last["error"])


def manifest_of(server: FakeRegistry, layer: dict[str, object], **config: object) -> None:
    """An image with one layer, as described."""
    document = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [digest(b"x")]},
        **config,
    }
    data = json.dumps(document).encode()
    described = {"mediaType": OCI_CONFIG, "digest": server.add_blob(data), "size": len(data)}
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": [layer]}
    server.add_manifest("app", "latest", body)


def test_indexes_within_indexes(daemon: Havred, server: FakeRegistry) -> None:
    image = server.add_image("app", None, layer_tar(("file", b"x")))
    inner = server.add_index("app", "0", {"linux/amd64": image.manifest})
    for level in range(1, 9):
        inner = server.add_index("app", str(level) if level < 8 else "latest", {"linux/amd64": inner})
    assert "indexes within indexes" in pull(daemon, server)
    assert len(server.asked("/manifests/")) < 8


def test_an_index_of_very_many(daemon: Havred, server: FakeRegistry) -> None:
    entry = {"mediaType": OCI_MANIFEST, "size": 1, "platform": {"os": "linux", "architecture": "riscv64"}}
    many = [{**entry, "digest": digest(str(number).encode())} for number in range(15_000)]
    server.add_manifest("app", "latest", {"schemaVersion": 2, "manifests": many}, OCI_INDEX)
    assert "no matching manifest for linux/amd64 in the manifest list entries" in pull(daemon, server)
    assert len(server.asked("/manifests/sha256")) == 0


def test_a_manifest_that_is_too_large(daemon: Havred, server: FakeRegistry) -> None:
    server.add_manifest("app", "latest", b'{"schemaVersion": 2, "x": "' + b"a" * (64 << 20) + b'"}')
    assert "is larger than 4194304 bytes" in pull(daemon, server)


@pytest.mark.parametrize("body", [b"[" * 1_000_000, b'{"manifests":' * 100_000, b"\xff" * 1000, b"{}"])
def test_a_manifest_that_is_none(daemon: Havred, server: FakeRegistry, body: bytes) -> None:
    server.add_manifest("app", "latest", body)
    assert "manifest" in pull(daemon, server)


def test_a_layer_of_more_bytes_than_there_are(daemon: Havred, server: FakeRegistry) -> None:
    blob = server.add_blob(gzip.compress(layer_tar(("file", b"x"))))
    manifest_of(server, {"mediaType": OCI_LAYER, "digest": blob, "size": 1 << 60})
    assert f"bytes at {server.host.partition(':')[0]}, {1 << 60} in its manifest" in pull(daemon, server)


def test_a_configuration_that_is_too_large(daemon: Havred, server: FakeRegistry) -> None:
    blob = server.add_blob(b"{" + b" " * (64 << 20) + b"}")
    described = {"mediaType": OCI_CONFIG, "digest": blob, "size": 64 << 20}
    server.add_manifest("app", "latest", {"schemaVersion": 2, "config": described, "layers": []})
    assert "is larger than" in pull(daemon, server)


def test_more_than_was_said_is_not_taken(daemon: Havred, server: FakeRegistry) -> None:
    image = server.add_image("app", "latest", layer_tar(("file", b"x")))
    server.fail(image.layers[0], faults.replace_body(lambda body: body + b"x" * (100 << 20)), 9)
    assert f"{image.layers[0]} has " in pull(daemon, server)


def test_a_layer_that_grows_without_end(daemon: Havred, server: FakeRegistry) -> None:
    """6 MB that become 6 GB: the limit of file sizes stands for a full disk."""
    assert daemon.process is not None
    zeroes = gzip.compress(bytes(64 << 20), 9, mtime=0)
    head = layer_tar(("zeroes", b""))[:512]
    size = 6 << 30
    # A tar header with the size in base 256, then its checksum.
    header = bytearray(head)
    header[124:136] = b"\x80" + size.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    blob = server.add_blob(gzip.compress(bytes(header), 9, mtime=0) + zeroes * (size // (64 << 20)))
    manifest_of(server, {"mediaType": OCI_LAYER, "digest": blob, "size": len(server.blobs[blob])})
    before = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1 << 30, resource.RLIM_INFINITY))
    try:
        said = pull(daemon, server)
    finally:
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, before)
    assert "larger than" in said or "File too large" in said, said
    assert not any((daemon.data_root / "snapshots").rglob("zeroes"))


@pytest.mark.parametrize(
    "name", ["..", "../app", "a/../b", "a/..", "./a", "a//b", "/etc/passwd", "%2e%2e/app", "..%2fapp"]
)
def test_names_that_lead_elsewhere(daemon: Havred, server: FakeRegistry, name: str) -> None:
    answer = daemon.api("POST", f"/images/create?fromImage={server.host}/{name}&tag=latest")
    assert (answer.status, server.requests) == (400, []), answer
    assert "invalid reference format" in answer.json()["message"]


@pytest.mark.parametrize("tag", ["../../x", "a/b", "a b", "sha256:../../../etc", "sha256:" + "g" * 64, "x" * 129])
def test_tags_that_lead_elsewhere(daemon: Havred, server: FakeRegistry, tag: str) -> None:
    answer = daemon.api("POST", "/images/create", fromImage=f"{server.host}/app", tag=tag)
    assert (answer.status, server.requests) == (400, []), answer


@pytest.mark.parametrize(
    "wrong", ["../../../../etc/passwd", "sha256:../x", "md5:" + "0" * 32, "sha256:" + "0" * 63, ""]
)
def test_digests_that_are_none(daemon: Havred, server: FakeRegistry, wrong: str) -> None:
    manifest_of(server, {"mediaType": OCI_LAYER, "digest": wrong, "size": 1})
    said = pull(daemon, server)
    assert "digest" in said and server.asked("/blobs/") == []
