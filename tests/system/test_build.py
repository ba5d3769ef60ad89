"""Builds through ``POST /build``, by the real docker CLI: what each instruction makes, the cache, failures, attacks."""

import io
import json
import os
import tarfile
import threading
import time
from pathlib import Path

import pytest

from tests.system.buildcontexts import DiskContext
from tests.system.conftest import docker_for
from tests.system.harness import Havred, wait_until
from tests.system.programs import Output, Program

CLASSIC = {"DOCKER_BUILDKIT": "0"}


class Bench(DiskContext):
    """A context on disk, and ``docker build`` of it."""

    def __init__(self, directory: Path, docker: Program) -> None:
        super().__init__(directory)
        self.docker = docker

    def build(self, dockerfile: str, *flags: str, code: int | None = 0) -> Output:
        self.write({"Dockerfile": dockerfile})
        return self.docker("build", "-t", "built", *flags, str(self.directory), env=CLASSIC, code=code)

    def run(self, *words: str) -> str:
        return self.docker("run", "--rm", "built", *words).out

    def image(self, template: str) -> str:
        return self.docker("image", "inspect", "-f", template, "built").out.strip()


@pytest.fixture
def bench(havred: Havred, docker: Program, tmp_path: Path) -> Bench:
    return Bench(tmp_path / "context", docker)


def test_instructions_of_the_configuration(bench: Bench) -> None:
    bench.build(
        """
# escape=\\
FROM busybox
MAINTAINER somebody
ARG VERSION=1
ENV A=$VERSION B="two words"
LABEL one=${A}x "two words"='x y'
EXPOSE 80 90-91/udp
USER 7:8
VOLUME ["/data", "/more"]
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=7s --retries=2 CMD true
SHELL ["/bin/sh", "-ec"]
ONBUILD RUN echo later
ENTRYPOINT ["echo"]
CMD hello $A
""",
        "--build-arg",
        "VERSION=2",
        "--label",
        "three=3",
    )
    config = json.loads(bench.image("{{json .Config}}"))
    assert config["Env"][-2:] == ["A=2", "B=two words"]
    assert config["Labels"] == {"one": "2x", "two words": "x y", "three": "3"}
    assert set(config["ExposedPorts"]) == {"80/tcp", "90/udp", "91/udp"}
    assert (config["User"], config["StopSignal"]) == ("7:8", "SIGUSR1")
    assert set(config["Volumes"]) == {"/data", "/more"}
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 7 * 10**9, "Retries": 2}
    assert config["OnBuild"] == ["RUN echo later"]
    assert config["Entrypoint"] == ["echo"]
    assert config["Cmd"] == ["/bin/sh", "-ec", "hello $A"]
    assert bench.image("{{.Author}}") == "somebody"


def test_commands(bench: Bench) -> None:
    said = bench.build(
        """
FROM busybox
ARG WHO=nobody
ENV PLACE=here
WORKDIR /work
RUN echo "$WHO $PLACE" > who && pwd > where && id -u > id
USER 5
RUN id -u > /tmp/id
USER 0
SHELL ["/bin/sh", "-c", "echo before; eval \\"$0\\""]
RUN echo shell > /shell
RUN ["/bin/sh", "-c", "echo exec > /exec"]
RUN <<EOF
echo one > /doc
echo "$WHO" >> /doc
EOF
RUN <<"EOF"
#!/bin/sh
echo script $0 > /script
EOF
RUN --network=none ip -o addr > /addresses
CMD cat /work/who /work/where /work/id /tmp/id /shell /exec /doc /script
""".replace("SHELL", "#SHELL"),
        "--build-arg",
        "WHO=me",
    )
    assert bench.run().split("\n") == [
        *("me here", "/work", "0", "5", "shell", "exec", "one", "me", "script /dev/pipes/EOF", "")
    ]
    assert "eth0" not in bench.run("cat", "/addresses")
    assert "Successfully tagged built:latest" in said.out
    # What the runtime mounts, and makes mount points for, is no part of a layer.
    assert (
        bench.run("ls", "-A", "/etc").split() == bench.docker("run", "--rm", "busybox", "ls", "-A", "/etc").out.split()
    )


def test_copies(bench: Bench) -> None:
    bench.write(
        {
            "a/one": "1",
            "a/sub/two": "2",
            "b/three.txt": "3",
            "b/four.log": "4",
            "c d": "5",
            ".dockerignore": "*.log\nb/*.log",
        }
    )
    (bench.directory / "a" / "link").symlink_to("one")
    (bench.directory / "a" / "out").symlink_to("/etc/hostname")
    bench.build(
        """
FROM busybox AS base
RUN mkdir -p /real && ln -s /real /alias && echo old > /real/one && echo user:x:77:77::/:/bin/sh >> /etc/passwd
FROM base
COPY a /alias
COPY --chown=user:5 --chmod=640 a/one b/*.txt /owned/
COPY --chmod=u=rwx,go= ["c d", "/spaces"]
COPY --exclude=sub a /less/
COPY --parents a/sub/two b/./three.txt /parents/
COPY --from=base /etc/passwd /from/passwd
COPY --link a/one /linked/deep/one
WORKDIR /rel
COPY a/one b/ ./
COPY <<one <<two /docs/
$HOME
one
second
two
"""
    )
    listing = bench.run(
        "sh", "-c", "cd /; ls -l real alias less; find parents docs linked rel | sort; cat docs/one docs/two"
    ).split("\n")
    text = "\n".join(listing)
    assert bench.run("cat", "/real/one", "/real/sub/two", "/real/link") == "121"
    assert bench.run("readlink", "/real/out").strip() == "/etc/hostname"
    assert bench.run("readlink", "/alias").strip() == "/real"
    assert bench.run(
        "stat", "-c", "%n %a %u:%g", "/owned/one", "/owned/three.txt", "/spaces", "/real/one", "/owned"
    ).split("\n")[:5] == [
        "/owned/one 640 77:5",
        "/owned/three.txt 640 77:5",
        "/spaces 700 0:0",
        "/real/one 644 0:0",
        "/owned 755 77:5",
    ]
    assert "sub" not in bench.run("ls", "/less")
    for path in ("parents/a/sub/two", "parents/three.txt", "linked/deep/one", "rel/one", "rel/three.txt", "docs/one"):
        assert path in listing, text
    assert "four.log" not in text
    assert (
        bench.run("cat", "/docs/one", "/docs/two") == "/root\nsecond\n" or bench.run("cat", "/docs/two") == "second\n"
    )
    assert "user:x:77" in bench.run("cat", "/from/passwd")


def test_archives(bench: Bench) -> None:
    for name, mode in (("plain.tar", "w"), ("packed.tar.gz", "w:gz")):
        with tarfile.open(bench.directory / name, mode) as archive:
            entry = tarfile.TarInfo(f"in/{name}")
            entry.size, entry.uid = 2, 9
            archive.addfile(entry, io.BytesIO(b"hi"))
    bench.build("FROM busybox\nADD plain.tar packed.tar.gz /x/\nADD --unpack=false plain.tar /y/\nCOPY plain.tar /z/\n")
    assert bench.run("cat", "/x/in/plain.tar", "/x/in/packed.tar.gz") == "hihi"
    assert bench.run("stat", "-c", "%u", "/x/in/plain.tar").strip() == "9"
    assert bench.run("ls", "/y", "/z").split() == ["/y:", "plain.tar", "/z:", "plain.tar"]


def test_mounts(bench: Bench) -> None:
    bench.write({"given": "context"})
    dockerfile = """
FROM busybox AS tools
RUN echo tool > /tool
FROM busybox
RUN --mount=type=cache,target=/cache,id=test-mounts,mode=0700 \\
    echo x >> /cache/count && wc -l < /cache/count > /count && stat -c %a /cache > /mode
RUN --mount=type=bind,from=tools,source=/tool,target=/mnt/tool --mount=type=bind,source=given,target=/given \\
    cat /mnt/tool /given > /seen && ! touch /given
RUN --mount=type=bind,from=tools,target=/rw,rw touch /rw/new && ls /rw/new
RUN --mount=type=tmpfs,target=/memory,size=1m grep /memory /proc/mounts > /tmpfs && touch /memory/x
RUN --mount=type=secret,id=none true
ARG AGAIN=
RUN echo $AGAIN
"""
    bench.build(dockerfile)
    assert bench.run("cat", "/count", "/mode", "/seen") == "1\n700\ntool\ncontext"
    assert "tmpfs" in bench.run("cat", "/tmpfs")
    # Mount points are gone with their mounts.
    assert set(bench.run("ls", "/").split()) & {"cache", "mnt", "given", "rw", "memory"} == set()
    bench.build(dockerfile, "--no-cache")
    assert bench.run("cat", "/count") == "2\n"
    failed = bench.build("FROM busybox\nRUN --mount=type=secret,id=none,required true\n", code=1)
    assert "secret none: not found" in failed.err


def test_the_cache_knows_content(bench: Bench) -> None:
    bench.write({"file": "1", "other": "1"})
    text = "FROM busybox\n# a comment\nARG X\nCOPY file /\nRUN cat /file /proc/sys/kernel/random/uuid > /once\n"
    bench.build(text)
    first, before = bench.image("{{.Id}}"), bench.run("cat", "/once")
    os.utime(bench.directory / "file", (1, 1))
    bench.write({"other": "2"})
    again = bench.build(text.replace("a comment", "another"))
    assert again.out.count("Using cache") == 2
    assert (bench.image("{{.Id}}"), bench.run("cat", "/once")) == (first, before)
    bench.write({"file": "2"})
    assert bench.build(text).out.count("Using cache") == 0
    assert bench.run("cat", "/once") != before
    bench.write({"file": "1"})
    bench.build(text)
    assert bench.image("{{.Id}}") == first
    bench.build(text, "--build-arg", "X=1")
    assert bench.image("{{.Id}}") != first


def test_the_cache_outlives_the_daemon_and_the_image(fresh_havred: Havred, tmp_path: Path) -> None:
    bench = Bench(tmp_path / "context", docker_for(fresh_havred, tmp_path))
    text = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /once\n"
    bench.build(text)
    before = bench.run("cat", "/once")
    bench.docker("rmi", "built")
    fresh_havred.kill()
    fresh_havred.start()
    assert "Using cache" in bench.build(text).out
    assert bench.run("cat", "/once") == before


def test_stages(bench: Bench) -> None:
    text = """
ARG BASE=busybox
FROM $BASE AS one
RUN sleep 1; cat /proc/uptime > /one
FROM $BASE AS two
RUN sleep 1; cat /proc/uptime > /two
FROM one AS unused
RUN false
FROM scratch AS files
COPY --from=one /one /
COPY --from=two /two /
FROM busybox
COPY --from=files / /
"""
    bench.build(text)
    one, two = (float(bench.run("cat", f"/{name}").split()[0]) for name in ("one", "two"))
    # Side by side: the ends are closer together than one of them took.
    assert abs(one - two) < 1
    bench.build(text, "--target", "ONE")
    assert bench.run("ls", "/one").strip() == "/one"
    failed = bench.build(text, "--target", "unused", code=1)
    assert "The command '/bin/sh -c false' returned a non-zero code: 1" in failed.err


def test_triggers_of_a_base_image(bench: Bench) -> None:
    bench.write({"file": "given"})
    bench.build("FROM busybox\nONBUILD COPY file /triggered\nONBUILD RUN echo ran >> /triggered\n", "-t", "trigger")
    bench.build("FROM trigger\nRUN echo after >> /triggered\n")
    assert bench.run("cat", "/triggered") == "givenran\nafter\n"
    assert bench.image("{{json .Config.OnBuild}}") == "null"
    bench.docker("rmi", "trigger")


@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [
        ("FROM busybox\nRUM true\n", "dockerfile parse error on line 2: unknown instruction: RUM (did you mean RUN?)"),
        ("FROM busybox\nRUN exit 3\n", "The command '/bin/sh -c exit 3' returned a non-zero code: 3"),
        ('FROM busybox\nRUN ["/nothing"]\n', "/nothing"),
        ("FROM busybox\nCOPY absent /\n", '"/absent": not found'),
        ("FROM busybox\nCOPY ../../etc/passwd /\n", '"/etc/passwd": not found'),
        ("FROM busybox\nCOPY --from=5 / /\n", "does not come before"),
        ("FROM busybox AS a\nCOPY --from=a / /\n", "circular dependency"),
        ("FROM busybox\nCOPY --chown=nobody-here Dockerfile /\n", "can't find user for nobody-here"),
        ("FROM busybox\nCOPY --chmod=9 Dockerfile /\n", "invalid chmod parameter"),
        ("FROM busybox\nUSER nobody-here\nRUN true\n", "nobody-here"),
        ("FROM busybox\nEXPOSE x\n", "Invalid containerPort: x"),
        (
            "FROM busybox\nADD --checksum=sha256:00 Dockerfile /\n",
            "checksum can't be specified for non-HTTP(S) sources",
        ),
        ("FROM busybox\nRUN --security=insecure true\n", "security.insecure is not allowed"),
        ("FROM 127.0.0.1:1/none\n", "127.0.0.1:1"),
    ],
)
def test_failures(bench: Bench, dockerfile: str, said: str) -> None:
    failed = bench.build(dockerfile, code=None)
    assert failed.code == (3 if "exit 3" in dockerfile else 1)
    assert said in failed.err + failed.out


def test_hostile_contexts_lead_nowhere(bench: Bench) -> None:
    (bench.directory / "etc").symlink_to("/etc")
    (bench.directory / "up").symlink_to("../../../../../../../..")
    (bench.directory / "passwd").symlink_to("/etc/passwd")
    for source in ("etc/shadow", "up/etc/shadow", "passwd"):
        assert "not found" in bench.build(f"FROM busybox\nCOPY {source} /stolen\n", code=1).err
    # A root whose target is a link leads to its own files.
    bench.write({"harmless": "x"})
    marker = Path("/etc/havre-test-build-escape")
    bench.build("FROM busybox\nRUN ln -s /../../../etc /escape\nCOPY harmless /escape/havre-test-build-escape\n")
    assert not marker.exists()
    assert bench.run("cat", "/etc/havre-test-build-escape") == "x"


def test_a_cancelled_build_leaves_nothing(bench: Bench, havred: Havred) -> None:
    bench.write({"Dockerfile": "FROM busybox\nRUN echo begun && sleep 1000\n"})
    client = bench.docker.start("build", str(bench.directory))
    client.kill()
    client.wait()
    bench.docker.env.update(CLASSIC)
    client = bench.docker.start("build", str(bench.directory))
    assert client.stdout is not None
    line = b""
    while b"begun" not in line:
        line = client.stdout.readline()
        assert line
    client.kill()
    client.wait()
    left = havred.data_root / "builds"
    wait_until(lambda: not any(left.iterdir()), "the build to be cleared away", lambda: str(list(left.glob("*/*"))))
    wait_until(lambda: not any((havred.exec_root / "containers").iterdir()), "its command to be gone")


def test_a_killed_daemon_leaves_nothing(fresh_havred: Havred, tmp_path: Path) -> None:
    bench = Bench(tmp_path / "context", docker_for(fresh_havred, tmp_path))
    bench.write({"Dockerfile": "FROM busybox\nRUN echo one > /one\nRUN sleep 1000\n"})
    before = len(list((fresh_havred.data_root / "snapshots").iterdir()))
    builder = threading.Thread(target=lambda: bench.docker("build", str(bench.directory), env=CLASSIC, code=None))
    builder.start()
    wait_until(lambda: len(list((fresh_havred.exec_root / "containers").iterdir())) == 1, "the command")
    time.sleep(0.3)
    fresh_havred.kill()
    builder.join()
    fresh_havred.start()
    assert not list((fresh_havred.exec_root / "containers").iterdir())
    assert not list(fresh_havred.data_root.glob("builds/*"))
    # The step that was done is in the cache, the other's snapshot is gone.
    wait_until(lambda: len(list((fresh_havred.data_root / "snapshots").iterdir())) <= before + 1, "the snapshots")
    bench.write({"Dockerfile": "FROM busybox\nRUN echo one > /one\n"})
    assert "Using cache" in bench.docker("build", str(bench.directory), env=CLASSIC).out
