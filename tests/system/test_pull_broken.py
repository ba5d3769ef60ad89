"""Pulls that break in the middle: the daemon killed, the client gone, the line cut, the bytes changed."""

import asyncio
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import registry_faults as faults
from tests.fakes.registry import FakeImage, FakeRegistry, layer_tar, serving_aside
from tests.system.conftest import NewDaemon, docker_for
from tests.system.harness import Engine, Havred, wait_until
from tests.system.programs import Program

HALF = 10_000_000
CONTENT = random.Random(11).randbytes(2 * HALF)


@pytest.fixture
def faulty() -> Iterator[FakeRegistry]:
    with serving_aside() as registry:
        yield registry


@pytest.fixture
def image(faulty: FakeRegistry) -> FakeImage:
    """An image of 20 MB that does not compress, in one layer on a small one."""
    return faulty.add_image("app", "latest", layer_tar(("small", b"s")), layer_tar(("big", CONTENT)))


@pytest.fixture
def own(new_havred: NewDaemon) -> Havred:
    """A daemon of the test's own, without images."""
    daemon = new_havred()
    daemon.start()
    return daemon


def arrived(daemon: Havred, digest: str) -> int:
    """Bytes of a blob that the daemon has on disk, not yet as a whole."""
    path = daemon.data_root / "ingest" / digest.replace(":", "-")
    return path.stat().st_size if path.exists() else 0


def hold_big_layer(faulty: FakeRegistry, image: FakeImage) -> list[str]:
    """Let the next download of the big layer stop half way, for ever. Returns who hangs up."""
    left: list[str] = []
    faulty.fail(image.layers[1], faults.hold(asyncio.Event(), HALF, left))
    return left


def resumed_at(faulty: FakeRegistry, image: FakeImage) -> int:
    """The byte at which the last download of the big layer began."""
    span = faulty.asked(image.layers[1])[-1].headers.get("Range", "bytes=0-")
    return int(span.removeprefix("bytes=").removesuffix("-"))


def check_content(engine: Engine, name: str) -> None:
    """The image is whole: its big file is in a container of it as it was in the registry."""
    created = engine.api("POST", "/containers/create", {"Image": name, "Cmd": ["none"]})
    assert created.status == 201, created
    archive = engine.api("GET", f"/containers/{created.json()['Id']}/archive?path=/big")
    assert archive.status == 200 and CONTENT in archive.body


def test_a_daemon_killed_in_the_middle_resumes(
    own: Havred, faulty: FakeRegistry, image: FakeImage, tmp_path: Path
) -> None:
    docker = docker_for(own, tmp_path)
    name = f"{faulty.host}/app:latest"
    hold_big_layer(faulty, image)
    client = docker.start("pull", name)
    wait_until(lambda: arrived(own, image.layers[1]) >= HALF * 0.8, "half of the layer")
    own.kill()
    assert client.wait(30) != 0
    own.start()
    kept = arrived(own, image.layers[1])
    assert kept >= HALF * 0.8
    done = docker("pull", name)
    assert f"Status: Downloaded newer image for {name}" in done.lines
    assert resumed_at(faulty, image) == kept
    assert len(faulty.asked(image.layers[0])) == 1, "the small layer was here already"
    check_content(own, name)


def test_a_client_that_leaves_stops_the_download_and_its_bytes_stay(
    own: Havred, faulty: FakeRegistry, image: FakeImage, tmp_path: Path
) -> None:
    docker = docker_for(own, tmp_path)
    name = f"{faulty.host}/app:latest"
    left = hold_big_layer(faulty, image)
    client = docker.start("pull", name)
    wait_until(lambda: arrived(own, image.layers[1]) >= HALF * 0.8, "half of the layer")
    client.send_signal(signal.SIGINT)
    client.wait(30)
    wait_until(lambda: left, "the daemon to hang up")
    kept = arrived(own, image.layers[1])
    assert kept >= HALF * 0.8
    docker("pull", name)
    assert resumed_at(faulty, image) == kept
    check_content(own, name)


def test_a_daemon_that_is_stopped_does_not_wait_for_a_pull(
    own: Havred, faulty: FakeRegistry, image: FakeImage, tmp_path: Path
) -> None:
    docker = docker_for(own, tmp_path)
    hold_big_layer(faulty, image)
    client = docker.start("pull", f"{faulty.host}/app:latest")
    wait_until(lambda: arrived(own, image.layers[1]) >= HALF * 0.8, "half of the layer")
    own.stop()
    assert client.wait(30) != 0
    own.start()
    docker("pull", f"{faulty.host}/app:latest")
    assert resumed_at(faulty, image) >= HALF * 0.8


def test_one_of_two_clients_leaves(own: Havred, faulty: FakeRegistry, image: FakeImage, tmp_path: Path) -> None:
    docker = docker_for(own, tmp_path)
    name = f"{faulty.host}/app:latest"
    release, left = asyncio.Event(), []
    faulty.fail(image.layers[1], faults.hold(release, HALF, left))
    first, second = docker.start("pull", name), docker.start("pull", name)
    wait_until(lambda: arrived(own, image.layers[1]) >= HALF * 0.8, "half of the layer")
    wait_until(lambda: len(faulty.asked("/manifests/")) == 2, "both pulls to be under way")
    first.kill()
    first.wait()
    faulty.loop.call_soon_threadsafe(release.set)
    out, _ = second.communicate(timeout=60)
    assert f"Status: Downloaded newer image for {name}" in out.decode()
    assert len(faulty.asked(image.layers[1])) == 1 and left == []
    check_content(own, name)


def test_a_line_that_is_cut_is_mended_without_the_user_s_help(
    own: Havred, faulty: FakeRegistry, image: FakeImage, tmp_path: Path
) -> None:
    faulty.fail(image.layers[1], faults.cut(HALF))
    faulty.fail(image.layers[1], faults.status(503))
    done = docker_for(own, tmp_path)("pull", f"{faulty.host}/app:latest")
    assert f"Status: Downloaded newer image for {faulty.host}/app:latest" in done.lines
    assert 0 < resumed_at(faulty, image) <= HALF
    check_content(own, f"{faulty.host}/app:latest")


def test_bytes_that_were_changed_are_refused(
    own: Havred, faulty: FakeRegistry, image: FakeImage, tmp_path: Path
) -> None:
    docker = docker_for(own, tmp_path)
    faulty.fail(image.layers[1], faults.corrupt())
    done = docker("pull", f"{faulty.host}/app:latest", code=1)
    assert f"filesystem layer verification failed for digest {image.layers[1]}" in done.err
    assert docker("images", "-q").out == ""
    assert arrived(own, image.layers[1]) == 0
    docker("pull", f"{faulty.host}/app:latest")
    check_content(own, f"{faulty.host}/app:latest")


def test_a_token_s_credentials_stay_with_the_registry(own: Havred, faulty: FakeRegistry, tmp_path: Path) -> None:
    faulty.add_image("app", "latest", layer_tar(("small", b"s")))
    faulty.credentials = ("me", "secret")
    faulty.ask_for_token()
    docker = docker_for(own, tmp_path)
    with serving_aside() as storage:
        storage.blobs = faulty.blobs
        assert "unauthorized: incorrect username" in docker("pull", f"{faulty.host}/app", code=1).err
        docker("login", "-u", "me", "--password-stdin", faulty.host, stdin="secret")
        faulty.fail("/blobs/", faults.redirect(f"http://{storage.host}{{path}}?signature=x"), times=9)
        docker("pull", f"{faulty.host}/app")
        assert len(storage.requests) == 2
        assert not any("Authorization" in seen.headers for seen in storage.requests)


def test_a_mirror_serves_docker_hub_s_names(new_havred: NewDaemon, faulty: FakeRegistry, tmp_path: Path) -> None:
    image = faulty.add_image("library/only-in-the-mirror", "latest", layer_tar(("small", b"s")))
    daemon = new_havred("--registry-mirror", f"http://{faulty.host}")
    daemon.start()
    docker: Program = docker_for(daemon, tmp_path)
    done = docker("pull", "only-in-the-mirror")
    assert done.lines[0] == "Using default tag: latest"
    assert done.lines[1] == "latest: Pulling from library/only-in-the-mirror"
    assert done.lines[-2] == "Status: Downloaded newer image for only-in-the-mirror:latest"
    inspected = daemon.api("GET", "/images/only-in-the-mirror/json").json()
    assert inspected["RepoDigests"] == [f"only-in-the-mirror@{image.manifest}"]
