"""What builds keep: shown by ``system df``, taken away by ``builder prune``, and never an image's."""

import json
import subprocess
import time
from pathlib import Path

from tests.system.conftest import docker_for, havre_for
from tests.system.harness import Havred
from tests.system.programs import Program

FILE = (
    "FROM busybox\nCOPY a /a\nRUN --mount=type=cache,target=/kept head -c 300000 /dev/zero > /big; cp /big /kept/big\n"
)


def build(havre: Program, directory: Path, dockerfile: str, *flags: str) -> str:
    directory.mkdir(exist_ok=True)
    (directory / "Dockerfile").write_text(dockerfile)
    (directory / "a").write_text("a")
    return havre("build", "-q", *flags, str(directory)).out.strip()


def kept(havred: Havred) -> list[dict[str, object]]:
    found: list[dict[str, object]] = havred.api("GET", "/system/df", type="build-cache").json()["BuildCache"]
    return found


def kinds(havred: Havred) -> list[object]:
    return sorted(str(one["Type"]) for one in kept(havred))


def test_prune(fresh_havred: Havred, tmp_path: Path) -> None:
    docker, havre = docker_for(fresh_havred, tmp_path), havre_for(fresh_havred, tmp_path)
    build(havre, tmp_path / "c", FILE, "-t", "named")
    assert kinds(fresh_havred) == ["exec.cachemount", "regular", "regular", "source.local"]
    step = next(one for one in kept(fresh_havred) if "RUN" in str(one["Description"]))
    assert (step["Shared"], step["Size"], len(step["Parents"])) == (True, 300000, 1)  # type: ignore[arg-type]
    # What an image shares stays without --all.
    said = docker("builder", "prune", "-f", env={"DOCKER_BUILDKIT": "0"}).out
    assert said.count("\n\n") == 1 and len(said.splitlines()) == 5
    assert kinds(fresh_havred) == ["regular", "regular"]
    # With it the image is whole nevertheless, and its room is not counted.
    assert "Total reclaimed space: 0B" in havre("builder", "prune", "-a", "-f").out
    assert kept(fresh_havred) == []
    assert havre("run", "--rm", "named", "wc", "-c", "/big").out.split()[0] == "300000"
    assert fresh_havred.api("POST", "/build/prune").json() == {"CachesDeleted": None, "SpaceReclaimed": 0}


def test_what_is_pruned_is_gone_from_the_disk(fresh_havred: Havred, tmp_path: Path) -> None:
    havre = havre_for(fresh_havred, tmp_path)
    before = blobs(fresh_havred)
    image = build(havre, tmp_path / "c", FILE)
    havre("rmi", image)
    assert len(blobs(fresh_havred)) > len(before)
    assert "kB" in havre("system", "df").out
    report = fresh_havred.api("POST", "/build/prune", all="1").json()
    assert report["SpaceReclaimed"] >= 600000 and len(report["CachesDeleted"]) == 4
    assert blobs(fresh_havred) == before
    assert not list((fresh_havred.data_root / "build-cache").iterdir())
    assert not list((fresh_havred.data_root / "build-contexts").iterdir())
    until = str(int(time.time()) + 1)
    events = fresh_havred.api("GET", "/events", since="1", until=until, filters='{"type": ["builder"]}').body
    told = [json.loads(line) for line in events.splitlines()]
    assert told[-1]["Type"] == "builder"
    assert told[-1]["Actor"]["Attributes"]["reclaimed"] == str(report["SpaceReclaimed"])
    build(havre, tmp_path / "c", FILE, "-t", "anew")
    assert havre("run", "--rm", "anew", "wc", "-c", "/big").out.split()[0] == "300000"


def blobs(havred: Havred) -> list[str]:
    return sorted(path.name for path in (havred.data_root / "blobs/sha256").iterdir())


def test_filters_and_room(fresh_havred: Havred, tmp_path: Path) -> None:
    havre = havre_for(fresh_havred, tmp_path)
    for size in (100000, 200000, 400000):
        havre("rmi", build(havre, tmp_path / "c", f"FROM busybox\nRUN head -c {size} /dev/zero > /big\n"))

    def sizes() -> list[int]:
        return sorted(int(str(one["Size"])) for one in kept(fresh_havred) if one["Type"] == "regular")

    def prune(**query: str) -> None:
        assert fresh_havred.api("POST", "/build/prune", **query).status == 200

    prune(filters='{"until": {"1h": true}}')
    prune(filters='{"type": ["exec.cachemount"]}')
    prune(**{"max-used-space": "10000000"})
    assert sizes() == [100000, 200000, 400000]
    # The oldest go first, until what is left has room.
    prune(**{"reserved-space": "650000"})
    assert sizes() == [200000, 400000]
    prune(**{"keep-storage": "450000"})
    assert sizes() == [400000]
    identity = str(next(one["ID"] for one in kept(fresh_havred) if one["Type"] == "regular"))
    prune(filters=json.dumps({"id": [identity[:12]]}))
    assert sizes() == []
    assert fresh_havred.api("POST", "/build/prune", filters='{"nonsense": ["1"]}').status == 400
    assert fresh_havred.api("POST", "/build/prune", filters='{"until": ["nonsense"]}').status == 400


def test_what_is_in_use_stays(fresh_havred: Havred, tmp_path: Path) -> None:
    """A prune in the middle of a build takes nothing that the build stands on."""
    havre = havre_for(fresh_havred, tmp_path)
    directory = tmp_path / "c"
    build(havre, directory, "FROM busybox\nRUN echo below > /below\n", "-t", "x")
    (directory / "Dockerfile").write_text(
        "FROM busybox\nRUN echo below > /below\nRUN --mount=type=cache,target=/m echo x > /m/x; "
        "while [ ! -e /m/go ]; do sleep 0.1; done; cat /below /m/x > /seen\nCOPY a /a\n"
    )
    running = havre.start("build", "--progress=plain", "-t", "x", str(directory))
    mounts = fresh_havred.data_root / "build-cache"
    assert running.stderr is not None
    while b"[3/4]" not in (line := running.stderr.readline()):
        assert line
    while not (found := [*mounts.glob("*/0/x")]):
        assert running.poll() is None
    fresh_havred.api("POST", "/build/prune", all="1")
    assert found[0].exists()
    (found[0].parent / "go").touch()
    assert running.wait(60) == 0, running.stderr.read()
    assert havre("run", "--rm", "x", "cat", "/seen", "/a").out == "below\nx\na"
    assert subprocess.run(["test", "-e", str(found[0])]).returncode == 0


def test_contexts_and_cache_outlive_the_daemon(fresh_havred: Havred, tmp_path: Path) -> None:
    havre = havre_for(fresh_havred, tmp_path)
    image = build(havre, tmp_path / "c", FILE)
    (fresh_havred.data_root / "build-contexts/half").mkdir()
    fresh_havred.kill()
    fresh_havred.start()
    assert kinds(fresh_havred) == ["exec.cachemount", "regular", "regular", "source.local"]
    said = havre("build", "--progress", "plain", str(tmp_path / "c"))
    assert "transferring context: 0B done" in said.err and said.err.count("CACHED") == 3
    assert image in said.err
