"""``havre build``: where contexts and Dockerfiles come from, what is sent again, progress, results, failures."""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.system.buildcontexts import DiskContext
from tests.system.harness import Havred, wait_until
from tests.system.programs import Output, Program


class Context(DiskContext):
    """A context on disk, and ``havre build`` of it."""

    def __init__(self, directory: Path, havre: Program) -> None:
        super().__init__(directory)
        self.havre = havre

    def write(self, files: Mapping[str, str]) -> None:
        """What is the same keeps its time, and is not sent again."""
        super().write({name: text for name, text in files.items() if not self._has(name, text)})

    def _has(self, name: str, text: str) -> bool:
        path = self.directory / name
        return path.exists() and path.read_text() == text

    def build(self, dockerfile: str, *flags: str, code: int | None = 0, env: Mapping[str, str] = {}) -> Output:
        self.write({"Dockerfile": dockerfile})
        return self.havre("build", "-t", "built", *flags, str(self.directory), code=code, env=env)

    def run(self, *words: str) -> str:
        return self.havre("run", "--rm", "built", *words).out


@pytest.fixture
def context(havred: Havred, havre: Program, tmp_path: Path) -> Context:
    return Context(tmp_path / "context", havre)


def sent(output: Output) -> str:
    """How much of the context was sent."""
    found = re.search(r"transferring context: (\S+) done", output.err)
    assert found is not None
    return found[1]


def names_in(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return sorted(tar.getnames())


def plain(text: str) -> str:
    """Progress without what differs each time: times, ids, sizes."""
    text = re.sub(r"sha256:[0-9a-f]{64}", "sha256:ID", text)
    text = re.sub(r"(?m)^(#\d+) \d+\.\d{3} ", r"\1 0.0 ", text)
    text = re.sub(r"(?m)^\d+\.\d{3} ", "0.0 ", text)
    return re.sub(r"DONE \d+\.\ds", "DONE 0.0s", re.sub(r"context: \S+ done", "context: N done", text))


def test_progress_as_people_know_it(context: Context) -> None:
    dockerfile = "FROM busybox\nCOPY a /a\nRUN echo one; printf two\nENV x=y\n"
    context.write({"a": "text"})
    said = context.build(dockerfile, "--progress", "plain")
    image = context.havre("image", "inspect", "-f", "{{.Id}}", "built").out.strip()
    assert f"writing image {image} done" in said.err
    assert plain(said.err) == (
        "#1 [internal] load build context\n#1 transferring context: N done\n#1 DONE 0.0s\n\n"
        "#2 [1/3] FROM busybox\n#2 CACHED\n\n"
        "#3 [2/3] COPY a /a\n#3 DONE 0.0s\n\n"
        "#4 [3/3] RUN echo one; printf two\n#4 0.0 one\n#4 0.0 two\n#4 DONE 0.0s\n\n"
        "#5 exporting to image\n#5 writing image sha256:ID done\n"
        "#5 naming to docker.io/library/built:latest done\n#5 DONE 0.0s\n"
    )
    again = context.build(dockerfile, "--progress", "plain")
    assert sent(again) == "0B"
    assert "#3 [2/3] COPY a /a\n#3 CACHED\n\n#4 [3/3] RUN echo one; printf two\n#4 CACHED\n" in again.err
    assert context.build(dockerfile, "-q").out == f"{image}\n"
    lines = context.build(dockerfile, "--progress", "rawjson").err.splitlines()
    named = [one["name"] for line in lines for one in json.loads(line).get("vertexes", ())]
    assert "[3/3] RUN echo one; printf two" in named


def test_a_failed_step_is_shown_with_its_place(context: Context) -> None:
    said = context.build("FROM busybox\nRUN echo before; echo why; exit 7\nRUN true\n", code=1)
    assert re.sub(r"(?m)^\d+\.\d (?=before|why)", "", plain(said.err)).endswith(
        '#3 ERROR: process "/bin/sh -c echo before; echo why; exit 7" did not complete successfully: exit code: 7\n'
        "------\n > [2/3] RUN echo before; echo why; exit 7:\nbefore\nwhy\n------\n"
        "Dockerfile:2\n--------------------\n"
        "1 |     FROM busybox\n2 | >>> RUN echo before; echo why; exit 7\n3 |     RUN true\n--------------------\n"
        'ERROR: failed to solve: process "/bin/sh -c echo before; echo why; exit 7" '
        "did not complete successfully: exit code: 7\n"
    )
    wrong = context.build("FROM busybox\nRUM true\n", code=1).err
    assert "2 | >>> RUM true" in wrong and "unknown instruction: RUM (did you mean RUN?)" in wrong


def test_on_a_terminal(context: Context) -> None:
    context.write({"Dockerfile": "FROM busybox\nRUN echo working; sleep 0.5\n"})
    with context.havre.terminal("build", "--no-cache", str(context.directory)) as terminal:
        assert terminal.wait() == 0
        shown = terminal.screen
    assert "[+] Building" in shown and "FINISHED" in shown
    assert " => => # working" in shown
    assert "\x1b[34m" in shown


def test_only_what_changed_is_sent(context: Context) -> None:
    context.write({f"d/{number}": "x" * 1000 for number in range(200)})
    dockerfile = "FROM busybox\nCOPY d /d\nCMD cat /d/7; ls /d | wc -l\n"
    first = context.build(dockerfile)
    assert sent(first) != "0B"
    context.write({"d/7": "changed"})
    (context.directory / "d/8").unlink()
    assert sent(context.build(dockerfile)) == "1.024kB"
    assert context.run() == "changed199\n"


def test_what_is_ignored_stays_at_home(context: Context) -> None:
    context.write(
        {"a": "a", "secret/key": "k", "secret/public": "p", ".dockerignore": "secret\n!secret/public\nDockerfile\n"}
    )
    context.build("FROM busybox\nCOPY . /c\nCMD find /c | sort\n")
    assert context.run().split() == ["/c", "/c/.dockerignore", "/c/a", "/c/secret", "/c/secret/public"]
    context.write({"Other": "FROM busybox\nCOPY . /c\n", "Other.dockerignore": "**\n!a\n"})
    context.havre("build", "-t", "built", "-f", str(context.directory / "Other"), str(context.directory))
    assert context.run("find", "/c").split() == ["/c", "/c/a"]


def test_where_dockerfiles_come_from(context: Context, tmp_path: Path) -> None:
    context.write({"a": "a"})
    outside = tmp_path / "Outside"
    outside.write_text("FROM busybox\nCOPY a /outside\n")
    place = str(context.directory)
    context.havre("build", "-t", "built", "-f", str(outside), place)
    assert context.run("cat", "/outside") == "a"
    context.havre("build", "-t", "built", "-f", "-", place, stdin="FROM busybox\nCOPY a /stdin\n")
    assert context.run("cat", "/stdin") == "a"
    context.havre("build", "-t", "built", "-", stdin="FROM busybox\nRUN echo alone > /alone\n")
    assert context.run("cat", "/alone") == "alone\n"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, data in (("Dockerfile", b"FROM busybox\nCOPY b /b\n"), ("b", b"packed")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    context.havre("build", "-t", "built", "-", stdin=archive.getvalue())
    assert context.run("cat", "/b") == "packed"
    missing = context.havre("build", str(tmp_path / "nothing"), code=1)
    assert missing.err.startswith("unable to prepare context: path")


def test_secrets_arguments_and_named_contexts(context: Context, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("from elsewhere")
    (tmp_path / "password").write_text("of-the-file")
    context.build(
        "FROM base\nARG A B\nCOPY --from=other file /file\n"
        "RUN --mount=type=secret,id=file --mount=type=secret,id=env,env=E "
        "wc -c < /run/secrets/file > /len; echo ${#E} $A $B >> /len\n",
        *("--secret", f"id=file,src={tmp_path / 'password'}", "--secret", "id=env,env=TOKEN"),
        *("--build-arg", "A=one", "--build-arg", "B", "--label", "l=m", "--build-context", f"other={other}"),
        *("--build-context", "base=docker-image://busybox"),
        env={"TOKEN": "four", "B": "two"},
    )
    assert context.run("cat", "/file", "/len") == "from elsewhere11\n4 one two\n"
    assert "of-the-file" not in context.havre("history", "--no-trunc", "built").out
    missing = context.build("FROM busybox\nRUN --mount=type=secret,id=x,required true\n", code=1)
    assert "secret x: not found" in missing.err


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="needs an SSH agent")
def test_an_agent_is_forwarded(context: Context, tmp_path: Path) -> None:
    """A real agent, asked by real clients: one after the other, then two at once."""
    path, key = str(tmp_path / "agent"), str(tmp_path / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "of-the-test", "-f", key], check=True)
    _with_libraries(str(shutil.which("ssh-add")), context.directory / "root")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.path.exists(path), "the agent listens")
        subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": path}, check=True)
        dockerfile = (
            "FROM busybox\nCOPY root /\nRUN --mount=type=ssh,required ssh-add -l > /one && "
            "(ssh-add -l > /two & ssh-add -l > /three; wait)\n"
        )
        context.build(dockerfile, "--ssh", f"default={path}")
        assert context.run("cat", "/one", "/two", "/three").count("of-the-test") == 3
        missing = context.build(dockerfile, "--no-cache", code=1)
        assert "no SSH key default forwarded from the client" in missing.err
    finally:
        agent.kill()
        agent.wait()


def _with_libraries(program: str, root: Path) -> None:
    """Put a program of the host's below ``root``, with all that it needs to run."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for path in (program, *re.findall(r"(/\S+) \(", listed)):
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def test_results_beside_the_image(context: Context, tmp_path: Path) -> None:
    dockerfile = (
        "FROM busybox AS made\nRUN mkdir /o && echo x > /o/f && ln -s f /o/l\nFROM scratch\nCOPY --from=made /o /\n"
    )
    context.build(dockerfile, "-o", str(tmp_path / "local"))
    assert (tmp_path / "local/f").read_text() == "x\n" and os.readlink(tmp_path / "local/l") == "f"
    context.build(dockerfile, "-o", f"type=tar,dest={tmp_path / 'tar'}")
    assert names_in(tmp_path / "tar") == ["f", "l"]
    said = context.build(
        dockerfile,
        *("-o", f"type=docker,dest={tmp_path / 'docker'}", "--iidfile", str(tmp_path / "iid")),
        *("--metadata-file", str(tmp_path / "metadata")),
    )
    image = (tmp_path / "iid").read_text()
    assert image in said.err
    metadata = json.loads((tmp_path / "metadata").read_text())
    assert metadata["containerimage.config.digest"] == image
    assert metadata["image.name"] == "docker.io/library/built:latest"
    assert "manifest.json" in names_in(tmp_path / "docker")
    (tmp_path / "local/f").unlink()
    refused = context.build(dockerfile, "-o", "type=local,dest=/dev/null/x", code=1)
    assert "Not a directory" in refused.err or "not a directory" in refused.err


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--cache-to", "type=gha"), "havre does not implement build caches of type gha"),
        (("--sbom",), "havre does not implement --sbom"),
        (("--platform", "linux/amd64,linux/arm64"), "several platforms"),
        (("--squash",), "squash"),
        (("--ssh", "default=/nothing"), "not an agent's socket"),
        (("--secret", "src=x"), "secret missing ID"),
        (("--push",), None),
        (("--progress", "loud"), "invalid progress mode"),
        (("-o", "type=strange"), "unsupported output type"),
        (("-o", "type=local,dest=/nothing,push=true"), "the output option push"),
        (("-o", "type=image,push=maybe"), "invalid value of the output option push: maybe"),
        (("-o", "/nothing", "--iidfile", "/nothing"), "--iidfile cannot be used with the output local"),
        (("--build-arg", "BUILDKIT_INLINE_CACHE=1"), "use --cache-to type=inline"),
        (("--build-arg", "BUILDKIT_SYNTAX=some/thing:1"), "the syntax some/thing:1 is not docker/dockerfile"),
    ],
)
def test_what_is_not_there_is_refused(context: Context, flags: tuple[str, ...], reason: str | None) -> None:
    said = context.build("FROM busybox\nRUN echo never-run\n", *flags, code=1)
    assert reason is None or reason in said.err


def test_strange_files(context: Context) -> None:
    context.write({"a": "a"})
    os.mkfifo(context.directory / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(context.directory / "socket"))
        (context.directory / os.fsdecode(b"name-\xff")).write_text("bytes")
        os.symlink("/etc/passwd", context.directory / "link")
        context.build("FROM busybox\nCOPY . /c\n")
    names = context.run("sh", "-c", "cd /c; ls; test -p fifo && echo pipe; readlink link; cat name-*")
    assert names.split("\n")[:3] == ["Dockerfile", "a", "fifo"]
    assert names.endswith("pipe\n/etc/passwd\nbytes") and "socket" not in names
    os.mknod(context.directory / "null", 0o20666, os.makedev(1, 3))
    assert "cannot send the device null" in context.build("FROM busybox\n", code=1).err


def test_a_file_that_becomes_shorter_breaks_the_build_off(context: Context) -> None:
    """A thread cuts a file of the context again and again while the client sends it."""
    path = context.directory / "big"
    path.write_bytes(bytes(64 << 20))
    stop = threading.Event()

    def cut() -> None:
        while not stop.is_set():
            os.truncate(path, 1 << 20)
            os.truncate(path, 64 << 20)

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        said = context.build("FROM busybox\nCOPY big /\n", code=None)
    finally:
        stop.set()
        thread.join()
    if said.code:
        assert "the file became shorter while it was read" in said.err
    context.build("FROM busybox\nCOPY big /\nCMD stat -c %s /big\n")
    assert context.run() == f"{64 << 20}\n"


def test_ten_thousand_files(context: Context) -> None:
    for number in range(100):
        directory = context.directory / str(number)
        directory.mkdir()
        for name in range(100):
            (directory / str(name)).touch()
    dockerfile = "FROM busybox\nCOPY . /c\nCMD find /c -type f | wc -l\n"
    context.build(dockerfile)
    assert context.run() == "10001\n"
    assert sent(context.build(dockerfile)) == "0B"


def test_a_client_that_goes_ends_its_build(context: Context, havred: Havred) -> None:
    context.write({"Dockerfile": "FROM busybox\nRUN echo started; sleep 98761\n"})
    client = context.havre.start("build", "--progress", "plain", str(context.directory))
    assert client.stderr is not None
    while b"started" not in (line := client.stderr.readline()):
        assert line
    client.kill()
    client.wait()
    wait_until(lambda: not _sleeping(), "the command of the build has ended")
    builds = havred.data_root / "builds"
    wait_until(lambda: not list(builds.glob("*")), "nothing is left of the build")


def _sleeping() -> bool:
    return subprocess.run(["pgrep", "-xf", "sleep 98761"], capture_output=True).returncode == 0


def test_half_a_context_is_no_context(context: Context, havred: Havred) -> None:
    """The list is sent, the files are not to their end: nothing of it can be built, and it can be sent anew."""
    key = {"key": "k" * 64}
    listed = b"".join(json.dumps([name, 0o100644, 5, 0, ""]).encode() + b"\n" for name in ("a", "b"))
    offered = havred.api("POST", "/havre/build/contexts", listed, **key).json()
    assert offered["wanted"] == [0, 1]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        info = tarfile.TarInfo("a")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"12345"))
    answer = havred.api("PUT", f"/havre/build/contexts/{offered['id']}", archive.getvalue())
    assert (answer.status, b"came without b" in answer.body) == (400, True)
    asked = {"context": {"id": offered["id"]}, "dockerfile": "FROM busybox"}
    assert b"no such build context" in havred.api("POST", "/havre/build", asked).body
    for names in (["../a"], ["/etc/a"], ["a/b"], ["a", "a/b"], ["."], ["d\\u0000"]):
        lines = b"".join(f'["{name}",33188,1,0,""]\n'.encode() for name in names)
        refused = havred.api("POST", "/havre/build/contexts", lines, **key)
        assert refused.status == 400, names


def test_limits_of_commands(context: Context) -> None:
    text = "FROM busybox\nRUN cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max || true\n"
    said = context.build(text, "--progress", "plain", "--no-cache", "-m", "104857600", "--memory-swap", "-1")
    assert " 104857600\n" in said.err
