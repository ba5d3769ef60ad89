"""Builds that mean harm, or that the disk is too small for: a clear error, nothing outside touched, nothing left."""

import gzip
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.system import images
from tests.system.conftest import havre_for
from tests.system.harness import Answer, Havred, wait_until
from tests.system.programs import Program
from tests.system.residue import mounts

SECRET = "correct-horse-battery-staple-8c1f"


def archive(*members: tuple[str, bytes | str | int]) -> bytes:
    """A tar: bytes are a file's content, ``->x`` a symbolic link, ``=x`` a hard link, a number another type."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, what in members:
            info = tarfile.TarInfo(name)
            if isinstance(what, bytes):
                info.size = len(what)
                tar.addfile(info, io.BytesIO(what))
                continue
            if isinstance(what, int):
                info.type, info.devmajor, info.devminor = bytes([what]), 1, 3
            else:
                info.type = tarfile.SYMTYPE if what.startswith("->") else tarfile.LNKTYPE
                info.linkname = what.removeprefix("->").removeprefix("=")
            tar.addfile(info)
    return out.getvalue()


def build(daemon: Havred, context: bytes, **query: str) -> Answer:
    return daemon.api("POST", "/build", context, **{"t": "hostile", **query})


def said(answer: Answer) -> str:
    return answer.body.decode()


def failed(answer: Answer) -> str:
    """What the build failed with, as an answer or in its stream."""
    text = said(answer)
    assert answer.status >= 400 or "errorDetail" in text, text
    return text


def nothing_left(daemon: Havred) -> None:
    left = daemon.data_root / "builds"
    wait_until(lambda: not any(left.iterdir()), "builds to be cleared away", lambda: str(list(left.iterdir())))
    assert not [path for path in mounts(daemon) if "/builds/" in path]
    assert not any((daemon.exec_root / "containers").iterdir())
    assert not any((daemon.data_root / "ingest").glob("*"))


DOCKERFILE = b"FROM busybox\nCOPY . /c/\n"


@pytest.mark.parametrize(
    "members",
    [
        [("../outside", b"x")],
        [("up", "->../../.."), ("up/outside", b"x")],
        [("etc", "->/etc"), ("etc/outside", b"x")],
        [("hard", "=../../../etc/passwd")],
        [("hard", "=/etc/passwd")],
        [("device", tarfile.CHRTYPE[0])],
    ],
    ids=["dots", "link up", "link to root", "hard link up", "hard link to root", "device"],
)
def test_archives_that_lead_out(havred: Havred, members: list[tuple[str, bytes | str | int]]) -> None:
    answer = build(havred, archive(("Dockerfile", DOCKERFILE), *members))
    if answer.status == 200 and "errorDetail" not in said(answer):
        # What is taken as a name inside must be inside.
        output = havred.api("POST", "/containers/create", {"Image": "hostile", "Cmd": ["true"]}).json()["Id"]
        exported = havred.api("GET", f"/containers/{output}/export").body
        with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
            names = tar.getnames()
        assert not any(name.endswith("passwd") and name.startswith("c/") for name in names)
        havred.api("DELETE", f"/containers/{output}")
    assert not Path("/etc/outside").exists()
    assert not (havred.data_root / "outside").exists() and not (havred.data_root / "builds/outside").exists()
    nothing_left(havred)


@pytest.mark.parametrize(
    ("context", "words"),
    [
        (b"no archive at all, only text" * 100, "archive"),
        (archive(("Dockerfile", b"FROM busybox\n"))[:515], ""),
        (archive(("Dockerfile", "->/etc/passwd")), "Cannot locate specified Dockerfile"),
        (archive(("Dockerfile", tarfile.FIFOTYPE[0])), "is not a file"),
        (archive(("Dockerfile", b"")), "cannot be empty"),
        (archive(("Dockerfile", b"FROM busybox\n"), (".dockerignore", b"[a")), "syntax error in pattern"),
        (archive(("Dockerfile", b"FROM scratch\n" + b"ENV A=${A}${A}x${A}${A}\n" * 60)), "longer than"),
        (archive(("Dockerfile", b"FROM scratch\n" + b"LABEL a=b\n" * 6000)), "more than 5000 instructions"),
        (archive(("Dockerfile", b"FROM scratch\nENV A=" + b"x" * (17 << 20))), "larger than 16 MiB"),
        (archive(("Dockerfile", b"FROM scratch\n" + b"COPY Dockerfile /\n" * 200)), "max depth exceeded"),
    ],
    ids=["text", "cut", "link", "fifo", "empty", "ignore", "doubling", "instructions", "huge", "layers"],
)
def test_contexts_that_are_refused(havred: Havred, context: bytes, words: str) -> None:
    assert words in failed(build(havred, context))
    nothing_left(havred)


def test_names_that_need_care(havred: Havred, docker: Program) -> None:
    names = ["new\nline", "tab\t", "\x1b[31mred", "x" * 255, "-rf", "\u202eabc"]
    answer = build(havred, archive(("Dockerfile", DOCKERFILE), *((name, b"1") for name in names)))
    assert "errorDetail" not in said(answer)
    assert docker("run", "--rm", "hostile", "sh", "-c", "cat /c/*").out.count("1") >= len(names)


def test_contexts_too_large_for_memory_go_to_the_disk(havred: Havred, docker: Program) -> None:
    """More files than memory is given for, and an archive that is small only because it is compressed."""
    many = archive(("Dockerfile", DOCKERFILE), *((f"d{n % 50}/{n}", b"") for n in range(21_000)))
    assert "errorDetail" not in said(build(havred, gzip.compress(many, 1)))
    assert docker("run", "--rm", "hostile", "sh", "-c", "find /c -type f | wc -l").out.strip() == "21001"
    bomb = archive(("Dockerfile", DOCKERFILE), ("zeros", bytes(80 << 20)))
    assert "errorDetail" not in said(build(havred, gzip.compress(bomb, 1)))
    assert docker("run", "--rm", "hostile", "stat", "-c", "%s", "/c/zeros").out.strip() == str(80 << 20)
    nothing_left(havred)


def test_a_file_with_a_hole_larger_than_the_disk(havred: Havred) -> None:
    out = io.BytesIO(archive(("Dockerfile", b"FROM scratch\nCOPY hole /\n")))
    out.seek(0)
    members = bytearray(out.read()[:1024])
    info = tarfile.TarInfo("hole")
    info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 50), "GNU.sparse.numblocks": "1"}
    members += info.tobuf(format=tarfile.PAX_FORMAT) + bytes(1024)
    assert "No space left on device" in failed(build(havred, bytes(members)))
    nothing_left(havred)


@pytest.mark.parametrize(
    ("base", "dockerfile"),
    [
        ("rm /etc/passwd && mkfifo /etc/passwd", "COPY --chown=app Dockerfile /x"),
        ("rm /etc/passwd && mkfifo /etc/passwd", "USER app\nRUN true"),
        ("rm /etc/passwd && ln -s /proc/self/environ /etc/passwd", "COPY --chown=app Dockerfile /x"),
        ("rm /etc/passwd && mkdir /etc/passwd", "COPY --chown=app Dockerfile /x"),
        ("touch /file", "WORKDIR /file/below"),
        ("ln -s loop /loop", "WORKDIR /loop/below"),
        ("ln -s loop /loop", "COPY Dockerfile /loop/"),
        ("mkdir /d", "COPY Dockerfile /d/\nCOPY --from=0 /absent /"),
    ],
)
def test_base_images_that_are_odd(havred: Havred, base: str, dockerfile: str) -> None:
    text = f"FROM busybox AS odd\nRUN {base}\nFROM odd\n{dockerfile}\n"
    assert failed(build(havred, archive(("Dockerfile", text.encode()))))
    nothing_left(havred)


@pytest.mark.parametrize("place", ["dev", "proc", "sys", "etc", "tmp", "run", "work"])
def test_links_in_base_images_lead_inside(havred: Havred, tmp_path: Path, place: str) -> None:
    """The commands may fail, but what they and COPY write is the image's."""
    outside = tmp_path / "outside"
    outside.mkdir()
    text = (
        f"FROM busybox AS tools\nFROM scratch\nCOPY --from=tools /bin /bin\nCOPY links /\n"
        f"COPY Dockerfile /{place}/copied\nWORKDIR /{place}/made\nRUN echo x > /{place}/written; true\n"
    )
    context = archive(("Dockerfile", text.encode()), (f"links/{place}", f"->{outside}"))
    build(havred, context)
    assert not any(outside.iterdir())
    nothing_left(havred)


def test_sources_of_mounts_lead_inside(havred: Havred, docker: Program, tmp_path: Path) -> None:
    (tmp_path / "host").write_text("of the host")
    text = b"FROM busybox\nRUN --mount=type=bind,source=link,target=/m cat /m\n"
    answer = build(havred, archive(("Dockerfile", text), ("link", f"->{tmp_path}/host")))
    assert "not found" in failed(answer)
    mount = b"--mount=type=bind,from=a,source=link,target=/m"
    text = b"FROM busybox AS a\nRUN ln -s /etc /link\nFROM busybox\nRUN %b cp /m/passwd /p\n" % mount
    assert "errorDetail" not in said(build(havred, archive(("Dockerfile", text))))
    assert docker("run", "--rm", "hostile", "cat", "/p").out == images.PASSWD
    # A command that puts a link where a later mount goes.
    text = (
        f"FROM busybox\nRUN ln -s {tmp_path} /m\nRUN --mount=type=tmpfs,target=/m/below touch /m/below/x\n"
    ).encode()
    build(havred, archive(("Dockerfile", text)))
    assert [path.name for path in tmp_path.iterdir() if path.name == "below"] == []
    nothing_left(havred)


def test_cache_mounts_of_two_builds(havred: Havred, docker: Program) -> None:
    """Locked ones one after the other, private ones apart, shared ones together."""
    command = (
        "if mkdir /c/inside; then sleep 0.5; rmdir /c/inside; echo alone > /state; else echo together > /state; fi"
    )

    def both(sharing: str) -> list[str]:
        def one(number: int) -> None:
            mount = f"--mount=type=cache,target=/c,id=race-{sharing},sharing={sharing}"
            text = f"FROM busybox\nENV N={number}\nRUN {mount} {command}\n"
            assert "errorDetail" not in said(build(havred, archive(("Dockerfile", text.encode())), t=f"race{number}"))

        threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(docker("run", "--rm", f"race{number}", "cat", "/state").out.strip() for number in range(2))

    assert both("locked") == ["alone", "alone"]
    assert both("private") == ["alone", "alone"]
    assert both("shared") == ["alone", "together"]


@contextmanager
def web(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("target", ["file:///etc/passwd", "unix:///var/run/docker.sock", "ftp://127.0.0.1/x", "/loop"])
def test_redirects_to_what_is_no_web_server(havred: Havred, target: str) -> None:
    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", target)
        request.send_header("Content-Length", "0")
        request.end_headers()

    with web(redirect) as url:
        text = failed(build(havred, archive(("Dockerfile", f"FROM scratch\nADD {url}/x /x\n".encode()))))
    assert "failed to load" in text and "root:" not in text
    nothing_left(havred)


@pytest.mark.parametrize(
    "url",
    [
        "--upload-pack=touch${IFS}/tmp/havre-owned;.git",
        "https://127.0.0.1:1/x.git#--upload-pack=touch /tmp/havre-owned",
        "git@127.0.0.1:--upload-pack=x.git",
        "ext::sh -c touch% /tmp/havre-owned.git",
        "ssh://-oProxyCommand=touch${IFS}/tmp/havre-owned/x.git",
        "file:///etc/.git",
    ],
)
def test_repositories_that_are_commands(havred: Havred, url: str) -> None:
    text = f"FROM scratch\nADD {json.dumps([url, '/x'])}\n"
    assert failed(build(havred, archive(("Dockerfile", text.encode()))))
    assert not Path("/tmp/havre-owned").exists()
    nothing_left(havred)


def test_an_address_that_never_ends_is_given_up_with_the_client(havred: Havred) -> None:
    begun = threading.Event()

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        begun.set()
        try:
            while True:
                request.wfile.write(bytes(64 << 10))
        except OSError:
            pass

    with web(endless) as url:
        context = archive(("Dockerfile", f"FROM scratch\nADD {url}/x /x\n".encode()))
        with pytest.raises(TimeoutError):
            havred.api("POST", "/build", context, timeout=1)
        assert begun.is_set()
        nothing_left(havred)


def test_secrets_are_nowhere(fresh_havred: Havred, havre_home: Program, tmp_path: Path) -> None:
    """Not in layers, records, history, logs with debugging, nor in what processes are called with."""
    directory = tmp_path / "context"
    directory.mkdir()
    (tmp_path / "secret").write_text(SECRET)
    (directory / "Dockerfile").write_text(
        "FROM busybox\n"
        "RUN --mount=type=secret,id=file --mount=type=secret,id=variable,env=TOKEN "
        'test -n "$TOKEN" && grep -q correct /run/secrets/file && '
        "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' > /processes && sleep 0.5\n"
        "RUN --mount=type=secret,id=file cat /run/secrets/file | md5sum > /sum && false\n"
    )
    flags = ["--secret", f"id=file,src={tmp_path / 'secret'}", "--secret", "id=variable,env=TOKEN"]
    seen: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    if SECRET.encode() in path.read_bytes():
                        seen.append(str(path))
                except OSError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        output = havre_home("build", *flags, str(directory), env={"TOKEN": SECRET}, code=1)
    finally:
        stop.set()
        watcher.join()
    assert "returned a non-zero code: 1" in output.err or "exit code: 1" in output.err
    assert SECRET not in output.err + output.out
    assert seen == []
    fresh_havred.stop()
    roots = (fresh_havred.data_root, fresh_havred.exec_root, fresh_havred.log.parent)
    for root in roots:
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                assert SECRET.encode() not in data, path
                if data[:2] == b"\x1f\x8b":
                    assert SECRET.encode() not in gzip.decompress(data), path


@pytest.fixture
def havre_home(fresh_havred: Havred, tmp_path: Path) -> Program:
    return havre_for(fresh_havred, tmp_path)


def test_a_full_disk(small_disk: Path) -> None:
    daemon = Havred(small_disk)
    try:
        daemon.start()
        daemon.load(images.busybox().archive("busybox:latest"))
        before = sorted(path.name for path in (daemon.data_root / "snapshots").iterdir())
        space = "no space left on device"
        for text in (
            "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=100\n",
            "FROM busybox\nRUN head -c 12000000 /dev/urandom > /1\nRUN head -c 12000000 /dev/urandom > /2\n",
        ):
            assert space in failed(build(daemon, archive(("Dockerfile", text.encode())))).lower()
            nothing_left(daemon)
        large = archive(("Dockerfile", DOCKERFILE), ("zeros", bytes(40 << 20)))
        assert space in failed(build(daemon, large)).lower()
        nothing_left(daemon)
        assert daemon.api("POST", "/build/prune?all=1").status == 200
        wait_until(
            lambda: sorted(path.name for path in (daemon.data_root / "snapshots").iterdir()) == before,
            "the snapshots of steps to be gone",
            lambda: str(sorted(path.name for path in (daemon.data_root / "snapshots").iterdir())),
        )
        assert "errorDetail" not in said(build(daemon, archive(("Dockerfile", b"FROM busybox\nRUN echo x > /x\n"))))
    finally:
        daemon.close()
