"""``pull`` and ``login`` through both clients, from Debian's docker-registry on the loopback interface."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import images
from tests.system.harness import Engine
from tests.system.programs import Program
from tests.system.registry import PASSWORD, USER, Registry, serve


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    """A repository name of the test's own; its images are removed afterwards."""
    name = f"test/{uuid.uuid4().hex[:8]}"
    yield name
    engine.clean()
    for image in engine.api("GET", "/images/json?all=1").json():
        if any(name in word for word in [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]):
            engine.api("DELETE", f"/images/{image['Id']}?force=1")


def test_pull_and_run(cli: Program, registry: Registry, name: str) -> None:
    image = images.busybox().derive(name.replace("/", "-"), files=[images.Entry("pulled", name.encode())])
    pushed = registry.push(image, name)
    done = cli("pull", pushed.reference)
    assert done.lines[0] == f"latest: Pulling from {name}"
    assert done.lines[-3:] == [
        f"Digest: {pushed.digest}",
        f"Status: Downloaded newer image for {pushed.reference}",
        pushed.reference,
    ]
    assert sum(line.endswith(": Pull complete") for line in done.lines) >= 1
    assert cli("run", "--rm", pushed.reference, "cat", "/pulled").out == name
    again = cli("pull", pushed.reference)
    assert f"Status: Image is up to date for {pushed.reference}" in again.lines


def test_run_pulls_what_is_missing(cli: Program, registry: Registry, name: str) -> None:
    pushed = registry.push(images.busybox().derive("missing", {"Labels": {"n": name}}), name)
    done = cli("run", "--rm", pushed.reference, "echo", "ran")
    assert done.out == "ran\n"
    assert f"Unable to find image '{pushed.reference}' locally" in done.err
    assert f"Status: Downloaded newer image for {pushed.reference}" in done.err


def test_quiet(cli: Program, registry: Registry, name: str) -> None:
    pushed = registry.push(images.busybox().derive("quiet", {"Labels": {"n": name}}), name)
    assert cli("pull", "-q", pushed.reference).out == pushed.reference + "\n"


def test_by_digest(cli: Program, registry: Registry, name: str) -> None:
    pushed = registry.push(images.busybox().derive("digest", {"Labels": {"n": name}}), name)
    reference = f"{registry.host}/{name}@{pushed.digest}"
    assert cli("pull", reference).lines[-1] == reference
    assert cli("run", "--rm", reference, "echo", "ok").out == "ok\n"
    rows = cli("images", "--digests", f"{registry.host}/{name}").table()
    assert [(row["TAG"], row["DIGEST"]) for row in rows] == [("<none>", pushed.digest)]


def test_all_tags(cli: Program, registry: Registry, name: str) -> None:
    for tag in ("one", "two"):
        registry.push(images.busybox().derive("tags", {"Labels": {"n": name + tag}}), name, tag)
    cli("pull", "-a", f"{registry.host}/{name}")
    assert sorted(row["TAG"] for row in cli("images", f"{registry.host}/{name}").table()) == ["one", "two"]


@pytest.mark.parametrize(("dialect", "compression"), [("docker", "gzip"), ("oci", "zstd"), ("oci", "none")])
def test_dialects(cli: Program, registry: Registry, name: str, dialect: str, compression: str) -> None:
    image = images.busybox().derive("dialect", {"Labels": {"n": name}})
    pushed = registry.push(image, name, dialect=dialect, compression=compression)
    assert cli("run", "--rm", "-q", pushed.reference, "echo", "ok").out == "ok\n"


def test_platform(cli: Program, registry: Registry, name: str, engine: Engine) -> None:
    base = images.busybox().derive("platform", {"Labels": {"n": name}})
    other = base.derive("other", architecture="riscv64")
    pushed = registry.push_index([base, other], name)
    cli("pull", pushed.reference)
    assert engine.api("GET", f"/images/{pushed.reference}/json").json()["Id"] == base.id
    cli("pull", "--platform", "linux/riscv64", pushed.reference)
    riscv = {"os": "linux", "architecture": "riscv64"}
    second = engine.api("GET", f"/images/{pushed.reference}/json", platform=riscv).json()
    assert (second["Id"], second["Architecture"], second["RepoTags"]) == (other.id, "riscv64", [pushed.reference])
    assert engine.api("GET", f"/images/{pushed.reference}/json").json()["Id"] == base.id
    (row,) = [row for row in engine.api("GET", "/images/json", manifests="1").json() if row["Id"] == base.id]
    shown = [(each["ImageData"]["Platform"]["architecture"], each["Available"]) for each in row["Manifests"]]
    assert shown == [("amd64", True), ("riscv64", True)] and row["Descriptor"]["digest"] == pushed.digest
    assert other.id not in [row["Id"] for row in engine.api("GET", "/images/json", all="1").json()]
    removed = cli("image", "rm", "--platform", "linux/amd64", pushed.reference).out
    assert f"Deleted: {base.id}" in removed and "Untagged" not in removed
    assert engine.api("GET", f"/images/{pushed.reference}/json").json()["Id"] == other.id
    cli("pull", pushed.reference)
    removed = cli("image", "rm", pushed.reference).out
    assert f"Deleted: {base.id}" in removed and f"Deleted: {other.id}" in removed
    done = cli("pull", "--platform", "linux/s390x", pushed.reference, code=1)
    assert "no matching manifest for linux/s390x in the manifest list entries" in done.err


def test_errors(cli: Program, registry: Registry, name: str) -> None:
    done = cli("pull", f"{registry.host}/{name}:none", code=1)
    assert f"manifest for {registry.host}/{name}:none not found: manifest unknown: manifest unknown" in done.err
    done = cli("pull", "127.0.0.1:1/x", code=1)
    assert "connection refused" in done.err
    assert cli("pull", "a:b:c", code=1).err == "invalid reference format\n"


def test_login(cli: Program, tmp_path: Path, name: str) -> None:
    with serve(tmp_path / "private", password=True) as private:
        pushed = private.push(images.busybox().derive("private", {"Labels": {"n": name}}), name)
        assert "no basic auth credentials" in cli("pull", pushed.reference, code=1).err
        done = cli("login", "-u", USER, "--password-stdin", private.host, stdin="wrong", code=1)
        assert "unauthorized" in done.err.lower()
        done = cli("login", "-u", USER, "--password-stdin", private.host, stdin=PASSWORD)
        assert "Login Succeeded" in done.out
        assert cli("pull", "-q", pushed.reference).out == pushed.reference + "\n"
        cli("rmi", pushed.reference)
        cli("logout", private.host)
        assert "no basic auth credentials" in cli("pull", pushed.reference, code=1).err


def test_progress_bars_on_a_terminal(cli: Program, registry: Registry, name: str) -> None:
    image = images.busybox().derive("bars", {"Labels": {"n": name}}, [images.Entry("bars", name.encode() * 1000)])
    pushed = registry.push(image, name)
    with cli.terminal("pull", pushed.reference, columns=120) as terminal:
        terminal.expect(f"latest: Pulling from {name}")
        terminal.expect("Pull complete")
        terminal.expect(f"Downloaded newer image for {pushed.reference}")
        assert terminal.wait() == 0
