"""``push`` through both clients, to Debian's docker-registry on the loopback interface: what arrives, what is said, and
lines that break.
"""

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.system import images
from tests.system.harness import Engine
from tests.system.programs import Program
from tests.system.registry import OCI_INDEX, PASSWORD, USER, Registry, serve
from tests.system.relay import relaying


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    """A repository name of the test's own; its images are removed afterwards."""
    name = f"push/{uuid.uuid4().hex[:8]}"
    yield name
    engine.clean()
    for image in engine.api("GET", "/images/json?all=1").json():
        for word in [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]:
            if name in word:
                engine.api("DELETE", f"/images/{word}?force=1")


def alone(name: str, content: str) -> images.BuiltImage:
    """An image without the layer that the daemon has of busybox, in a form that no registry gives."""
    derived = images.busybox().derive(name, files=[images.Entry("who", content.encode())])
    return replace(derived, layers=derived.layers[1:])


def pushed_digest(out: str, tag: str = "latest") -> str:
    """The digest that a push ends with."""
    (line,) = [line for line in out.splitlines() if line.startswith(f"{tag}: digest: sha256:")]
    return line.split()[2]


def held(registry: Registry, name: str, reference: str) -> bytes:
    """The manifest the registry has."""
    headers = {"Accept": f"{OCI_INDEX}, application/vnd.oci.image.manifest.v1+json"}
    return registry.fetch(f"/v2/{name}/manifests/{reference}", headers)


def test_a_pulled_image(cli: Program, registry: Registry, name: str) -> None:
    image = alone("pushed", name)
    pushed = registry.push(image, f"{name}/first", compression="zstd")
    cli("pull", "-q", pushed.reference)
    target = f"{registry.host}/{name}/second"
    cli("tag", pushed.reference, target)
    done = cli("push", target)
    assert f"The push refers to repository [{target}]" in done.lines
    assert sum(line.endswith(f": Mounted from {name}/first") for line in done.lines) == len(image.layers)
    assert pushed_digest(done.out) == pushed.digest
    assert sum(line.endswith(": Layer already exists") for line in cli("push", target).lines) == len(image.layers)
    assert cli("push", "-q", target).out == f"{target}:latest\n"
    cli("rmi", target, pushed.reference)
    cli("pull", "-q", target)
    assert cli("images", "-q", "--no-trunc", target).out.split() == [image.id]


def test_a_committed_image_has_one_digest(cli: Program, registry: Registry, name: str) -> None:
    cli("run", "--name", "author", "busybox", "sh", "-c", f"echo {name} > /who")
    first, second = f"{registry.host}/{name}:1", f"{registry.host}/{name}/other:2"
    image_id = cli("commit", "author", first).out.strip()
    cli("tag", first, second)
    done = cli("push", first)
    assert sum(": Pushed" in line or ": Mounted from" in line for line in done.lines) == 2
    assert pushed_digest(cli("push", second).out, "2") == pushed_digest(done.out, "1")
    manifest = json.loads(held(registry, name, "1"))
    assert manifest["config"]["digest"] == image_id
    assert all(layer["mediaType"].endswith("tar+gzip") for layer in manifest["layers"])
    cli("rm", "author")
    cli("rmi", first, second)
    assert cli("run", "--rm", "-q", first, "cat", "/who").out == f"{name}\n"


def test_all_tags(cli: Program, registry: Registry, name: str) -> None:
    for tag in ("one", "two"):
        cli("tag", "busybox", f"{registry.host}/{name}:{tag}")
    done = cli("push", "-a", f"{registry.host}/{name}")
    assert [line.split(":")[0] for line in done.lines if ": digest: " in line] == ["one", "two"]
    assert json.loads(registry.fetch(f"/v2/{name}/tags/list"))["tags"] == ["one", "two"]


def test_platforms(cli: Program, registry: Registry, tmp_path: Path, name: str) -> None:
    base = alone("platform", name)
    other = base.derive("other", architecture="riscv64")
    pushed = registry.push_index([base, other], name)
    cli("pull", "-q", pushed.reference)
    with serve(tmp_path / "second") as second:
        target = f"{second.host}/{name}"
        cli("tag", pushed.reference, target)
        done = cli("push", target)
        assert "only the available single-platform image was pushed" in done.out
        single = pushed_digest(done.out)
        assert single != pushed.digest and json.loads(held(second, name, "latest"))["layers"]
        cli("pull", "-q", "--platform", "linux/riscv64", pushed.reference)
        assert pushed_digest(cli("push", target).out) == pushed.digest
        assert held(second, name, "latest") == held(registry, name, "latest")
        assert pushed_digest(cli("push", "--platform", "linux/amd64", target).out) == single
        done = cli("push", "--platform", "linux/s390x", target, code=1)
        assert "does not provide the specified platform (linux/s390x)" in done.err
        cli("push", "--platform", "linux/riscv64", target)
        cli("rmi", pushed.reference, target)
        left = cli("images", "-a", "--digests", "--no-trunc").out
        assert base.id not in left and other.id not in left, "the image for the other platform has gone as well"


def test_errors(cli: Program, registry: Registry, name: str) -> None:
    done = cli("push", f"{registry.host}/{name}", code=1)
    assert f"An image does not exist locally with the tag: {registry.host}/{name}" in done.err
    cli("tag", "busybox", f"{registry.host}/{name}:1")
    assert f"tag does not exist: {registry.host}/{name}:2" in cli("push", f"{registry.host}/{name}:2", code=1).err
    cli("tag", "busybox", f"127.0.0.1:1/{name}")
    assert "connection refused" in cli("push", f"127.0.0.1:1/{name}", code=1).err


def test_password(cli: Program, tmp_path: Path, name: str) -> None:
    with serve(tmp_path / "private", password=True) as private:
        cli("tag", "busybox", f"{private.host}/{name}")
        assert "no basic auth credentials" in cli("push", f"{private.host}/{name}", code=1).err
        cli("login", "-u", USER, "--password-stdin", private.host, stdin=PASSWORD)
        pushed_digest(cli("push", f"{private.host}/{name}").out)


def test_lines_that_break(havre: Program, tmp_path: Path, engine: Engine, name: str) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    image = images.busybox().derive("torn", files=[images.Entry("noise", chance.randbytes(8 << 20))])
    engine.load(image.archive(f"{name}:1"))
    with serve(tmp_path / "far") as registry:
        for round in range(8):
            target = f"{name}/{round}"
            with relaying(registry.port, [chance.randrange(1, 7 << 20) for _ in range(3)]) as relay:
                havre("tag", f"{name}:1", f"127.0.0.1:{relay.port}/{target}:1")
                done = havre("push", f"127.0.0.1:{relay.port}/{target}:1", code=None)
                assert done.code == 0, (seed, done)
            manifest = json.loads(held(registry, target, "1"))
            assert manifest["config"]["digest"] == image.id, seed
