"""Builds over BuildKit's own protocol, by the real ``docker buildx``."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.system.buildx import Bench, cached, with_plugins
from tests.system.conftest import docker_for
from tests.system.harness import Havred, wait_until
from tests.system.programs import Program

SIMPLE = """
FROM busybox
ARG WHO=nobody
COPY a.txt b/ /files/
RUN echo "$WHO" > /who && cat /files/a.txt
CMD cat /who
"""


@pytest.fixture
def bench(havred: Havred, docker: Program, tmp_path: Path) -> Bench:
    made = Bench(tmp_path / "context", with_plugins(docker))
    made.write({"a.txt": "a file\n", "b/c": "c", ".dockerignore": "*.log\n", "much.log": "x"})
    return made


def test_a_build(bench: Bench, tmp_path: Path) -> None:
    identity, metadata = tmp_path / "id", tmp_path / "metadata"
    flags = ("--iidfile", str(identity), "--metadata-file", str(metadata), "--build-arg", "WHO=me", "--label", "l=1")
    said = bench.build(SIMPLE, "-t", "built", "-t", "other:tag", *flags).err
    assert "RUN echo" in said and "a file" in said
    assert bench.run("built") == "me\n"
    found = json.loads(bench.docker("image", "inspect", "other:tag").out)[0]
    assert identity.read_text() == found["Id"]
    assert found["Config"]["Labels"] == {"l": "1"}
    told = json.loads(metadata.read_text())
    assert (told["containerimage.config.digest"], told["image.name"]) == (
        *(found["Id"], "docker.io/library/built:latest,docker.io/library/other:tag"),
    )


def test_the_same_image_as_by_the_classic_api(bench: Bench, tmp_path: Path) -> None:
    identity = tmp_path / "id"
    bench.build("FROM busybox\nWORKDIR /d\nCOPY . .\nENV A=1\n", "--iidfile", str(identity))
    words = ("build", "-q", "--no-cache", str(bench.directory))
    assert bench.docker(*words, env={"DOCKER_BUILDKIT": "0"}).out.strip() == identity.read_text()
    # The CLI's own default, where it has buildx.
    assert bench.docker("build", "-q", str(bench.directory)).out.strip() == identity.read_text()


def test_a_second_build_sends_only_what_changed(bench: Bench) -> None:
    large = "x" * 3_000_000
    bench.write({"large": large})
    dockerfile = "FROM busybox\nCOPY . /files\n"
    assert "transferring context: 3.00MB" in bench.build(dockerfile, "-t", "built").err
    (bench.directory / "b/c").write_text("changed")
    (bench.directory / "a.txt").unlink()
    (bench.directory / "new").symlink_to("b")
    said = bench.build(dockerfile, "-t", "built").err
    assert "transferring context: 34B" in said, said  # and the Dockerfile, written anew
    shown = bench.run("built", "sh", "-c", "cd /files && ls -A . && cat b/c && readlink new && wc -c < large")
    assert shown.split("\n") == [*(".dockerignore", "Dockerfile", "b", "large", "new", "changedb", "3000000", "")]
    assert cached(bench.build(dockerfile, "-t", "built"), "COPY")
    # A Dockerfile that touches nothing of it, and the same content with other times.
    os.utime(bench.directory / "large")
    assert cached(bench.build(dockerfile, "-t", "built"), "COPY")


def test_two_builds_of_one_context_at_once(bench: Bench) -> None:
    bench.write({"Dockerfile": "FROM busybox\nARG N\nRUN sleep 1; echo $N\nCOPY . /files\n"})
    words = [bench.docker.path, "buildx", "build", "--progress", "plain", str(bench.directory)]
    both = [
        subprocess.Popen([*words, "--build-arg", f"N={n}"], env=bench.docker.env, stderr=subprocess.PIPE)
        for n in range(2)
    ]
    for one in both:
        _, said = one.communicate(timeout=90)
        assert one.returncode == 0, said


def test_failures(bench: Bench) -> None:
    said = bench.build("FROM busybox\nRUN echo something && exit 7\n", code=1).err
    assert "something" in said
    assert "Dockerfile:2" in said and ">>> RUN echo something && exit 7" in said
    words = 'process "/bin/sh -c echo something && exit 7" did not complete successfully: exit code: 7'
    assert f"ERROR: failed to build: failed to solve: {words}\n" in said
    said = bench.build("FROM busybox\nRUM echo\n", code=1).err
    assert "failed to solve: dockerfile parse error on line 2: unknown instruction: RUM (did you mean RUN?)" in said
    said = bench.build("FROM busybox\n", "-f", str(bench.directory / "absent"), code=1).err
    assert "no such file or directory" in said
    said = bench.build("# syntax=example/language:1\nFROM busybox\n", code=1).err
    assert "havre does not run frontends: the syntax example/language:1 is not docker/dockerfile" in said
    bench.build("# syntax=docker/dockerfile:1.7-labs\nFROM busybox\n")


def test_a_build_that_is_cancelled(havred: Havred, bench: Bench) -> None:
    bench.write({"Dockerfile": "FROM busybox\nRUN echo begun; sleep 1000.5\n"})
    words = [bench.docker.path, "buildx", "build", "--progress", "plain", str(bench.directory)]
    for how in (signal.SIGINT, signal.SIGKILL):
        build = subprocess.Popen(words, env=bench.docker.env, stderr=subprocess.PIPE, start_new_session=True)
        assert build.stderr is not None
        while b" begun" not in build.stderr.readline():
            assert build.poll() is None
        os.killpg(build.pid, how)
        build.communicate(timeout=60)
        assert build.returncode != 0
        wait_until(lambda: not _runs("sleep 1000.5"), "the command to be gone")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_daemon_that_ends_in_the_middle(fresh_havred: Havred, tmp_path: Path, how: str) -> None:
    bench = Bench(tmp_path / "context", with_plugins(docker_for(fresh_havred, tmp_path)))
    bench.write({"Dockerfile": "FROM busybox\nRUN echo begun; sleep 1000.25\n"})
    words = [bench.docker.path, "buildx", "build", "--progress", "plain", str(bench.directory)]
    build = subprocess.Popen(words, env=bench.docker.env, stderr=subprocess.PIPE)
    assert build.stderr is not None
    while b" begun" not in build.stderr.readline():
        assert build.poll() is None
    getattr(fresh_havred, how)()
    build.communicate(timeout=60)
    assert build.returncode != 0
    if how == "stop":
        # The build ended before what it stands on.
        assert "level=error" not in fresh_havred.tail(200)
    fresh_havred.start()
    wait_until(lambda: not _runs("sleep 1000.25"), "the command to be gone")
    bench.build(SIMPLE.replace("COPY a.txt b/ /files/", "").replace(" && cat /files/a.txt", ""))


def _runs(command: str) -> bool:
    words = command.replace(" ", "\0").encode()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if entry.read_bytes().rstrip(b"\0") == words:
                return True
        except OSError:
            continue
    return False


def test_what_buildx_asks_about_the_builder(bench: Bench) -> None:
    assert "running" in bench.docker("buildx", "ls").out
    assert "linux/" in bench.docker("buildx", "inspect").out
