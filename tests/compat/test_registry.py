"""Docker's own clients and an engine against havre-registry: what is pushed comes back with the digest it went with."""

import uuid
from collections.abc import Iterator

import docker as docker_py
import pytest

from tests.registry.conftest import server
from tests.registry.server import Client, Server
from tests.system import images
from tests.system.harness import Engine
from tests.system.programs import Program

__all__ = ["server"]

pytestmark = pytest.mark.system


@pytest.fixture
def name(server: Server, engine: Engine) -> Iterator[str]:
    """A name for an image in the registry, which the engine has forgotten at the end."""
    chosen = f"127.0.0.1:{server.port}/compat/n{uuid.uuid4().hex[:8]}:v1"
    yield chosen
    engine.api("DELETE", f"/images/{chosen}")


@pytest.fixture
def registry_client(server: Server) -> Iterator[Client]:
    client = server.client()
    yield client
    client.close()


def put(client: Client, name: str, dialect: str) -> str:
    """Push busybox without an engine: its manifest's digest."""
    repository, _, tag = name.partition("/")[2].rpartition(":")
    image = images.busybox()
    layers = [layer.blob("gzip", dialect) for layer in image.layers]
    family = "application/vnd.oci.image." if dialect == "oci" else "application/vnd.docker."
    config_type = f"{family}config.v1+json" if dialect == "oci" else f"{family}container.image.v1+json"
    document = {
        "schemaVersion": 2,
        "mediaType": f"{family}{'manifest.v1' if dialect == 'oci' else 'distribution.manifest.v2'}+json",
        "config": {"mediaType": config_type, **client.push_blob(repository, image.config)},
        "layers": [
            {"mediaType": layer.media_type, **client.push_blob(repository, layer.path.read_bytes())} for layer in layers
        ],
    }
    digest = client.push_manifest(repository, tag, document).headers["Docker-Content-Digest"]
    assert digest is not None
    return digest


@pytest.mark.parametrize("dialect", ["oci", "docker"])
def test_docker_pulls(docker: Program, registry_client: Client, name: str, dialect: str) -> None:
    digest = put(registry_client, name, dialect)
    assert f"Digest: {digest}" in docker("pull", name).out
    assert docker("run", "--rm", name, "echo", "here").out == "here\n"
    by_digest = f"{name.rpartition(':')[0]}@{digest}"
    docker("rmi", "-f", name)
    docker("pull", by_digest)
    docker("rmi", by_digest)


def test_docker_pushes(docker: Program, registry_client: Client, name: str) -> None:
    docker("tag", "busybox:latest", name)
    said = docker("push", name).out
    repository = name.partition("/")[2].rpartition(":")[0]
    found = registry_client.ask("GET", f"/v2/{repository}/manifests/v1")
    digest = found.headers["Docker-Content-Digest"]
    assert f"digest: {digest} size: {len(found.body)}" in said
    # Again, under another name: the blobs are mounted, nothing is sent twice.
    other = name.replace("/compat/", "/mounted/")
    docker("tag", name, other)
    again = docker("push", other).out
    assert f"digest: {digest}" in again and "Mounted from compat/" in again
    docker("rmi", name, other)
    assert f"Digest: {digest}" in docker("pull", name).out
    assert docker("run", "--rm", name, "echo", "back").out == "back\n"


def test_docker_py_pushes_and_pulls(engine: Engine, registry_client: Client, name: str) -> None:
    client = docker_py.DockerClient(base_url=engine.host, version="auto")
    repository, _, tag = name.rpartition(":")
    client.images.get("busybox:latest").tag(repository, tag)
    lines = list(client.images.push(repository, tag=tag, stream=True, decode=True))
    assert not [line for line in lines if "error" in line], lines
    digest = next(line["aux"]["Digest"] for line in lines if "aux" in line)
    asked = client.images.get_registry_data(name)
    assert (asked.id, asked.attrs["Descriptor"]["digest"]) == (digest, digest)
    assert asked.has_platform("linux/amd64") and not asked.has_platform("linux/s390x")
    client.images.remove(name)
    pulled = client.images.pull(repository, tag=tag)
    assert f"{repository}@{digest}" in pulled.attrs["RepoDigests"]
    assert registry_client.ask("HEAD", f"/v2/{repository.partition('/')[2]}/manifests/{digest}").status == 200
    client.close()


def test_docker_searches(docker: Program, registry_client: Client, name: str) -> None:
    put(registry_client, name, "oci")
    host, _, repository = name.rpartition(":")[0].partition("/")
    found = docker("search", "--format", "{{.Name}}", f"{host}/{repository[:-1]}").out
    assert repository in found.split()
    assert docker("search", "--format", "{{.Name}}", f"{host}/neverthere").out == ""
