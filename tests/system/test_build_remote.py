"""Builds of what lies elsewhere: contexts and files from a web server and from git repositories (dumb HTTP, git://)."""

import functools
import hashlib
import http.server
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.harness import Havred, wait_until
from tests.system.programs import Program
from tests.system.registry import free_port


class Web:
    """A web server of a directory; ``asked`` is what it was asked for, and the statuses of its answers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.asked: list[tuple[str, int]] = []
        asked = self.asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                path = Path(self.translate_path(self.path))
                self.etag = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
                if self.etag and self.headers.get("If-None-Match") == self.etag:
                    self.send_response(304)
                    self.end_headers()
                    return
                super().do_GET()

            def end_headers(self) -> None:
                if self.etag:
                    self.send_header("ETag", self.etag)
                super().end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                asked.append((self.path, int(code)))

            def log_message(self, format: str, *args: object) -> None: ...

        handler = functools.partial(Handler, directory=str(directory))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    directory = tmp_path / "www"
    directory.mkdir()
    server = Web(directory)
    yield server
    server.close()


@pytest.fixture
def repository(tmp_path: Path, web: Web) -> Path:
    """A repository, also served at ``/r.git``: Dockerfiles at the top and in ``sub``; the tag v1, then a change."""
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    git(tree, "init", "--quiet", "--initial-branch=main")
    (tree / "Dockerfile").write_text("FROM busybox\nCOPY f /f\n")
    (tree / "sub/Dockerfile").write_text("FROM busybox\nCOPY g /g\n")
    (tree / "f").write_text("first")
    (tree / "sub/g").write_text("below")
    commit(tree)
    git(tree, "tag", "v1")
    (tree / "f").write_text("second")
    commit(tree)
    bare = web.directory / "r.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(tree), str(bare))
    git(bare, "update-server-info")
    return tree


def git(directory: Path, *words: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@test")
    done = subprocess.run(["git", *who, *words], cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(tree: Path) -> None:
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "a change")


def image(havre: Program, *words: str, stdin: str = "") -> str:
    return havre("build", "-q", *words, stdin=stdin).out.strip()


def cat(havre: Program, built: str, path: str) -> str:
    return havre("run", "--rm", built, "cat", path).out


def test_contexts_from_git(havred: Havred, havre: Program, docker: Program, web: Web, repository: Path) -> None:
    url = f"{web.url}/r.git"
    assert cat(havre, image(havre, url), "/f") == "second"
    assert cat(havre, image(havre, f"{url}#v1"), "/f") == "first"
    below = image(havre, f"{url}#v1:sub")
    assert cat(havre, below, "/g") == "below"
    old = git(repository, "rev-parse", "v1")
    assert image(havre, f"{url}#{old}:sub") == below
    answer = havred.api("POST", "/build", b"", remote=f"{url}#v1:sub", q="1")
    assert below in answer.body.decode()
    missing = havre("build", f"{url}#nothing", code=1)
    assert "nothing" in missing.err
    assert "no directory ../.." in havre("build", f"{url}#v1:../..", code=1).err


def test_a_context_from_the_git_daemon(havre: Program, repository: Path, web: Web) -> None:
    port = free_port()
    words = ["git", "daemon", "--export-all", f"--port={port}", "--listen=127.0.0.1", f"--base-path={web.directory}"]
    daemon = subprocess.Popen([*words, "--reuseaddr", str(web.directory)], stderr=subprocess.DEVNULL)
    url = f"git://127.0.0.1:{port}/r.git"
    try:
        listed = ["git", "ls-remote", url]
        wait_until(lambda: subprocess.run(listed, capture_output=True).returncode == 0, "the git daemon answers")
        built = image(havre, f"{url}#v1")
        assert cat(havre, built, "/f") == "first"
        assert image(havre, f"{web.url}/r.git#v1") == built
    finally:
        daemon.kill()
        daemon.wait()


def test_contexts_from_the_web(havred: Havred, havre: Program, web: Web) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, data in (("Dockerfile", b"FROM busybox\nCOPY f /f\n"), ("f", b"packed")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    (web.directory / "c.tgz").write_bytes(archive.getvalue())
    built = image(havre, f"{web.url}/c.tgz")
    assert cat(havre, built, "/f") == "packed"
    assert built in havred.api("POST", "/build", b"", remote=f"{web.url}/c.tgz", q="1").body.decode()
    (web.directory / "plain").write_text("FROM busybox\nRUN echo alone > /alone\n")
    assert cat(havre, image(havre, f"{web.url}/plain"), "/alone") == "alone\n"
    assert "status 404" in havre("build", f"{web.url}/nothing", code=1).err


def test_a_file_is_downloaded_once_until_it_changes(havre: Program, web: Web) -> None:
    path = web.directory / "file"
    path.write_text("one")
    dockerfile = f"FROM busybox\nADD {web.url}/file /file\n"
    first = image(havre, "-", stdin=dockerfile)
    assert image(havre, "-", stdin=dockerfile) == first
    assert image(havre, "--no-cache", "-", stdin=dockerfile) == first
    assert [status for _, status in web.asked] == [200, 304, 304]
    path.write_text("three")
    changed = image(havre, "-", stdin=dockerfile)
    assert cat(havre, changed, "/file") == "three"
    assert web.asked[-1] == ("/file", 200)
    wrong = havre("build", "-", stdin=dockerfile.replace("ADD", f"ADD --checksum=sha256:{'0' * 64}"), code=1)
    assert "digest mismatch" in wrong.err


def test_a_repository_is_added_as_it_was_committed(havre: Program, web: Web, repository: Path) -> None:
    dockerfile = f"FROM busybox\nADD {web.url}/r.git#v1 /r\n"
    built = image(havre, "-", stdin=dockerfile)
    assert cat(havre, built, "/r/f") == "first"
    assert image(havre, "--no-cache", "-", stdin=dockerfile) == built
    moment = git(repository, "show", "--no-patch", "--format=%ct", "v1").splitlines()[-1]
    assert havre("run", "--rm", built, "stat", "-c", "%Y", "/r/f").out.strip() == moment


def test_builds_in_other_networks(havred: Havred, docker: Program) -> None:
    docker("run", "-d", "--name", "beside", "busybox", "sh", "-c", "echo hello | nc -l -p 99; sleep 60")
    context = io.BytesIO()
    data = b"FROM busybox\nRUN nc 127.0.0.1 99 > /heard\n"
    with tarfile.open(fileobj=context, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    said = havred.api("POST", "/build", context.getvalue(), networkmode="container:beside", t="heard", nocache="1")
    assert b"Successfully tagged heard" in said.body, said.body
    assert docker("run", "--rm", "heard", "cat", "/heard").out == "hello\n"
    docker("rm", "-f", "beside")
    gone = havred.api("POST", "/build", context.getvalue(), networkmode="container:beside", nocache="1")
    assert b"No such container: beside" in gone.body


def test_cancelling_by_the_builds_own_id(havred: Havred) -> None:
    context = io.BytesIO()
    data = b"FROM busybox\nRUN echo begun; sleep 98762\n"
    with tarfile.open(fileobj=context, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    answers: list[bytes] = []

    def build() -> None:
        answers.append(havred.api("POST", "/build", context.getvalue(), buildid="mine").body)

    thread = threading.Thread(target=build)
    thread.start()
    asleep = ["pgrep", "-xf", "sleep 98762"]
    wait_until(lambda: subprocess.run(asleep, capture_output=True).returncode == 0, "the command runs")
    assert havred.api("POST", "/build/cancel", id="another").status == 200
    assert havred.api("POST", "/build/cancel", id="mine").status == 200
    thread.join(30)
    last = json.loads(answers[0].splitlines()[-1])
    assert last["errorDetail"]["message"] == "the build was cancelled"
    assert subprocess.run(asleep, capture_output=True).returncode == 1
    assert havred.api("POST", "/build/cancel").status == 400
    squash = havred.api("POST", "/build", context.getvalue(), squash="1")
    assert (squash.status, b"experimental" in squash.body) == (400, True)
