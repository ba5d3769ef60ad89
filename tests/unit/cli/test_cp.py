"""``cp`` as a process: what is asked of the daemon, and what lands where."""

import base64
import io
import json
import tarfile

import pytest
from tests.fakes.daemon import Answer, FakeDaemon
from tests.unit.cli.conftest import Havre

DIR, LINK = 1 << 31, 1 << 27


def stat(mode: int = 0o644, size: int = 0, target: str = "", name: str = "x") -> dict[str, str]:
    value = {"name": name, "size": size, "mode": mode, "mtime": "2024-01-01T00:00:00Z", "linkTarget": target}
    return {"X-Docker-Container-Path-Stat": base64.b64encode(json.dumps(value).encode()).decode()}


def tar_of(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content.encode()))
    return out.getvalue()


def sent(daemon: FakeDaemon) -> tuple[str | None, list[str]]:
    """(directory the daemon was to unpack into, names in the archive)."""
    put = daemon.asked("PUT", "/containers/*/archive")[-1]
    with tarfile.open(fileobj=io.BytesIO(put.body)) as tar:
        return put.one("path"), tar.getnames()


@pytest.fixture
def container(daemon: FakeDaemon) -> FakeDaemon:
    daemon.on("HEAD", "/containers/*/archive", Answer(404))
    daemon.on("PUT", "/containers/*/archive", status=200)
    return daemon


def test_a_file_out_into_a_directory(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/containers/*/archive", chunks=[tar_of(passwd="root")], headers=stat())
    done = havre("cp", "c:/etc/passwd", ".")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (havre.cwd / "passwd").read_text() == "root"
    assert daemon.requests[0].query == {"path": ["/etc/passwd"]}


def test_a_file_out_under_another_name(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/containers/*/archive", chunks=[tar_of(passwd="root")], headers=stat())
    havre("cp", "c:/etc/passwd", "users")
    assert (havre.cwd / "users").read_text() == "root"


def test_a_directory_out(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/containers/*/archive", chunks=[tar_of(etc__a="a", etc__b="b")], headers=stat(DIR))
    havre("cp", "c:/etc", "new")
    havre("cp", "c:/etc", "new")
    assert sorted(p.name for p in (havre.cwd / "new").iterdir()) == ["a", "b", "etc"]


def test_the_content_of_a_directory_out(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/containers/*/archive", chunks=[tar_of(**{".__a": "a"})], headers=stat(DIR))
    (havre.cwd / "there").mkdir()
    havre("cp", "c:/etc/.", "there")
    assert (havre.cwd / "there" / "a").read_text() == "a"
    assert daemon.requests[0].one("path") == "/etc/."


def test_a_tar_stream_out(havre: Havre, daemon: FakeDaemon) -> None:
    data = tar_of(a="a")
    daemon.on("GET", "/containers/*/archive", chunks=[data], headers=stat())
    process = havre.start("cp", "c:/a", "-")
    assert process.communicate()[0] == data


def test_following_a_link_keeps_its_name(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("HEAD", "/containers/*/archive", status=200, headers=stat(LINK, target="../lib/real"))
    daemon.on("GET", "/containers/*/archive", chunks=[tar_of(real="real")], headers=stat())
    havre("cp", "-L", "c:/etc/link", ".")
    assert daemon.asked("GET", "/containers/*/archive")[0].one("path") == "/lib/real"
    assert (havre.cwd / "link").read_text() == "real"


def test_the_daemons_refusal(havre: Havre, daemon: FakeDaemon) -> None:
    text = "Could not find the file /nope in container c"
    daemon.on("GET", "/containers/*/archive", status=404, json={"message": text})
    done = havre("cp", "c:/nope", ".")
    assert (done.code, done.err) == (1, f"Error response from daemon: {text}\n")


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["a:b", "c:d"], "copying between containers is not supported"),
        (["a", "b"], "must specify at least one container source"),
        (["", "b"], "source can not be empty"),
        (["a", ""], "destination can not be empty"),
        (["c:/x", "no/where"], 'invalid output path: directory "{cwd}/no" does not exist'),
        (["nope", "c:/x"], "lstat {cwd}/nope: no such file or directory"),
    ],
)
def test_what_cannot_be(havre: Havre, container: FakeDaemon, argv: list[str], text: str) -> None:
    done = havre("cp", *argv)
    assert (done.code, done.err) == (1, text.format(cwd=havre.cwd) + "\n")


def test_a_file_in(havre: Havre, container: FakeDaemon) -> None:
    (havre.cwd / "f").write_text("content")
    container.on("HEAD", "/containers/*/archive", status=200, headers=stat(DIR))
    assert havre("cp", "f", "c:/tmp").code == 0
    assert sent(container) == ("/tmp", ["f"])
    query = container.asked("PUT", "/containers/*/archive")[0].query
    assert query == {"path": ["/tmp"], "noOverwriteDirNonDir": ["true"]}


def test_a_file_in_under_another_name(havre: Havre, container: FakeDaemon) -> None:
    (havre.cwd / "f").write_text("content")
    havre("cp", "-a", "f", "c:/tmp/new")
    assert sent(container) == ("/tmp", ["new"])
    assert container.asked("PUT", "/containers/*/archive")[0].one("copyUIDGID") == "true"


def test_a_directory_in(havre: Havre, container: FakeDaemon) -> None:
    (havre.cwd / "d").mkdir()
    (havre.cwd / "d" / "f").write_text("")
    havre("cp", "d", "c:/new")
    assert sent(container) == ("/", ["new", "new/f"])
    havre("cp", "d/.", "c:/new")
    assert sent(container) == ("/", ["new", "new/f"])
    container.on("HEAD", "/containers/*/archive", status=200, headers=stat(DIR))
    havre("cp", "d/.", "c:/there")
    assert sent(container) == ("/there", [".", "./f"])
    havre("cp", "d", "c:/there")
    assert sent(container) == ("/there", ["d", "d/f"])


def test_a_destination_that_is_a_link(havre: Havre, container: FakeDaemon) -> None:
    (havre.cwd / "f").write_text("")
    container.on(
        "HEAD", "/containers/*/archive", Answer(200, headers=stat(LINK, target="real")), Answer(200, headers=stat(DIR))
    )
    havre("cp", "f", "c:/srv/link")
    assert sent(container) == ("/srv/real", ["f"])


@pytest.mark.parametrize(
    ("make", "destination", "there", "text"),
    [
        ("d/", "c:/file", stat(), "cannot copy directory"),
        ("f", "c:/new/", None, "no such directory"),
        (
            "f",
            "c:/dev/null",
            stat(1 << 26),
            'destination "c:/dev/null" must be a directory or a regular file: got a device',
        ),
    ],
)
def test_conflicts_are_refused_here(
    havre: Havre, container: FakeDaemon, make: str, destination: str, there: dict[str, str] | None, text: str
) -> None:
    path = havre.cwd / make
    path.mkdir() if make.endswith("/") else path.write_text("")
    if there:
        container.on("HEAD", "/containers/*/archive", status=200, headers=there)
    done = havre("cp", make.rstrip("/"), destination)
    assert (done.code, done.err) == (1, f"{text}\n")
    assert not container.asked("PUT", "/containers/*/archive")


def test_a_tar_stream_in(havre: Havre, container: FakeDaemon) -> None:
    container.on("HEAD", "/containers/*/archive", status=200, headers=stat(DIR))
    data = tar_of(a="a")
    assert havre("cp", "-", "c:/tmp", stdin=data).code == 0
    assert container.asked("PUT", "/containers/*/archive")[0].body == data
    container.on("HEAD", "/containers/*/archive", status=200, headers=stat())
    assert havre("cp", "-", "c:/f", stdin=data).err == 'destination "c:/f" must be a directory\n'


def test_progress_is_for_terminals_or_on_demand(havre: Havre, container: FakeDaemon) -> None:
    (havre.cwd / "f").write_text("x" * 2000)
    done = havre("cp", "--quiet=false", "f", "c:/tmp/f")
    assert done.err == "Successfully copied 2kB (transferred 3.58kB) to c:/tmp/f\n"
    with havre.on_terminal("cp", "f", "c:/tmp/f") as pty:
        assert pty.wait() == 0
        assert b"Copying to container - " in pty.seen
        assert pty.seen.endswith(b"Successfully copied 2kB (transferred 3.58kB) to c:/tmp/f\r\n")
    with havre.on_terminal("cp", "-q", "f", "c:/tmp/f") as pty:
        pty.wait()
        assert pty.seen == b""
