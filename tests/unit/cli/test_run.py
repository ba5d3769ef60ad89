"""``run`` as a process against a scripted daemon: order of calls, streams, exit codes, pulls, signals, messages."""

import json
import signal
import time
from pathlib import Path

import pytest
from tests.fakes.daemon import Answer, FakeDaemon, Stream
from tests.unit.cli.conftest import CONTAINER, Container, Havre

from havre.wire.stdcopy import STDERR, STDOUT, frame

ORDER = [f"POST /containers/{CONTAINER}/{verb}" for verb in ("attach", "wait", "start")]


def test_streams_exit_code_and_order(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    container.code = 42
    container.serve(lambda s: (s.send(frame(STDOUT, b"out\n")), s.send(frame(STDERR, b"err\n"))))
    done = havre("run", "--name", "x", "busybox", "true")
    assert (done.code, done.out, done.err) == (42, "out\n", "err\n")
    assert daemon.trail() == ["POST /containers/create", *ORDER]
    assert daemon.requests[0].one("name") == "x"
    assert daemon.requests[1].query == {"stream": ["1"], "stdout": ["1"], "stderr": ["1"]}
    assert daemon.requests[2].one("condition") == "next-exit"
    daemon.check()


def test_rm_waits_for_the_removal(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    assert havre("run", "--rm", "busybox").code == 0
    assert daemon.asked("POST", "/containers/*/wait")[0].one("condition") == "removed"
    assert daemon.requests[0].json()["HostConfig"]["AutoRemove"] is True


def test_stdin_goes_through_and_ends(havre: Havre, container: Container) -> None:
    data = bytes(range(256)) * 20000
    container.serve(lambda s: s.send(frame(STDOUT, b"%d" % len(s.read_all()))))
    assert havre("run", "-i", "busybox", "wc", stdin=data).out == str(len(data))


def test_without_interactive_the_input_ends_at_once(havre: Havre, container: Container) -> None:
    container.serve(lambda s: s.send(frame(STDOUT, b"got:" + s.read_all())))
    assert havre("run", "busybox", stdin=b"not for you").out == "got:"


def test_both_directions_at_once(havre: Havre, container: Container) -> None:
    """The container fills its output before it reads a byte: neither side may wait for the other."""
    block = frame(STDOUT, bytes(1 << 16))

    def stubborn(stream: Stream) -> None:
        for _ in range(128):
            stream.send(block)
        stream.send(frame(STDERR, b"%d" % len(stream.read_all())))

    container.serve(stubborn)
    done = havre("run", "-i", "busybox", stdin=bytes(8 << 20))
    assert (len(done.out), done.err) == (128 << 16, str(8 << 20))


def test_frames_cut_anywhere(havre: Havre, container: Container) -> None:
    whole = frame(STDOUT, b"one\n") + frame(STDERR, b"two\n") + frame(STDOUT, b"three\n")

    def drip(stream: Stream) -> None:
        for byte in whole:
            stream.send(bytes([byte]))

    container.serve(drip)
    done = havre("run", "busybox")
    assert (done.out, done.err) == ("one\nthree\n", "two\n")


def test_detached_prints_the_id_and_does_not_attach(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    done = havre("run", "-d", "-i", "busybox")
    assert (done.code, done.out) == (0, f"{CONTAINER}\n")
    assert daemon.trail() == ["POST /containers/create", f"POST /containers/{CONTAINER}/start"]
    body = daemon.requests[0].json()
    assert not body["AttachStdin"]
    assert "StdinOnce" not in body


def test_attach_only_stdin(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    got: list[bytes] = []
    container.serve(lambda s: got.append(s.read_all()))
    done = havre("run", "-a", "stdin", "-i", "busybox", stdin=b"hello")
    assert (done.code, done.out, got) == (0, "", [b"hello"])


def test_conflicting_attach_and_detach(havre: Havre) -> None:
    done = havre("run", "-d", "-a", "stdout", "busybox")
    assert done.code == 1
    assert done.err == "conflicting options: cannot specify both --attach and --detach\n"


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (500, 'exec: "nope": executable file not found in $PATH: unknown', 127),
        (400, "stat /nope: no such file or directory", 127),
        (400, 'exec: "/etc/passwd": permission denied: unknown', 126),
        (400, 'exec: "/etc": is a directory: unknown', 126),
        (409, "Conflict. The container name is in use", 125),
    ],
)
def test_a_start_that_fails(
    havre: Havre, daemon: FakeDaemon, container: Container, status: int, message: str, code: int
) -> None:
    daemon.on("POST", "/containers/*/start", status=status, json={"message": message})
    container.serve(Stream.read_all)
    done = havre("run", "busybox", "nope")
    assert done.code == code
    assert done.err == (
        f"havre: Error response from daemon: {message}\n\nRun 'havre run --help' for more information\n"
    )


def test_a_start_that_fails_with_rm_waits_for_the_removal(
    havre: Havre, daemon: FakeDaemon, container: Container
) -> None:
    def fail(_: object) -> None:
        container.ended.set()

    daemon.on("POST", "/containers/*/start", status=500, json={"message": "no"}, before=fail)
    container.serve(Stream.read_all)
    done = havre("run", "--rm", "busybox")
    assert done.code == 125
    assert daemon.asked("POST", "/containers/*/wait")[0].one("condition") == "removed"


def test_no_daemon(havre: Havre, tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/none"
    done = havre("-H", host, "run", "busybox")
    assert done.code == 125
    assert done.err.startswith(f"havre: Cannot connect to the havre daemon at {host}. Is the havre daemon running?\n")


def test_an_unknown_flag(havre: Havre) -> None:
    done = havre("run", "--nope", "busybox")
    assert done.code == 125
    assert done.err == (
        "unknown flag: --nope\n\nUsage:  havre run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\n"
        "Run 'havre run --help' for more information\n"
    )


def test_no_image(havre: Havre) -> None:
    done = havre("run")
    assert done.code == 1
    assert done.err.startswith("havre: 'havre run' requires at least 1 argument\n\nUsage:  havre run [OPTIONS] IMAGE")


def missing(daemon: FakeDaemon, *then: Answer) -> None:
    absent = Answer(404, json={"message": "No such image: busybox:latest"})
    daemon.on("POST", "/containers/create", absent, *(then or [Answer(201, json={"Id": CONTAINER})]))


def test_a_missing_image_is_pulled(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    missing(daemon)
    messages = [
        {"status": "Pulling from library/busybox", "id": "latest"},
        {"status": "Status: Downloaded newer image"},
    ]
    daemon.on("POST", "/images/create", chunks=[json.dumps(message).encode() + b"\r\n" for message in messages])
    havre.config('{"auths": {"https://index.docker.io/v1/": {"username": "u", "password": "p"}}}')
    done = havre("run", "--platform", "linux/amd64", "busybox")
    assert done.code == 0
    assert done.out == ""
    assert done.err.splitlines() == [
        "Unable to find image 'busybox:latest' locally",
        "latest: Pulling from library/busybox",
        "Status: Downloaded newer image",
    ]
    pull = daemon.asked("POST", "/images/create")[0]
    assert pull.query == {
        "fromImage": ["docker.io/library/busybox"],
        "tag": ["latest"],
        "platform": ["linux/amd64"],
    }
    assert "x-registry-auth" in pull.headers
    assert len(daemon.asked("POST", "/containers/create")) == 2


def test_an_image_of_another_platform_is_pulled(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    refusal = "image with reference b was found but its platform (x) does not match the specified platform (x)"
    absent = Answer(404, json={"message": refusal})
    daemon.on("POST", "/containers/create", absent, Answer(201, json={"Id": CONTAINER}))
    daemon.on("POST", "/images/create", chunks=[b'{"status": "Pulling"}'])
    assert havre("run", "--platform", "linux/arm64", "busybox").code == 0
    assert daemon.asked("POST", "/images/create")[0].one("platform") == "linux/arm64"


def test_the_default_platform_of_the_environment(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    assert havre("run", "busybox", env={"DOCKER_DEFAULT_PLATFORM": "linux/aarch64"}).code == 0
    assert daemon.requests[0].one("platform") == "linux/arm64"


def test_quiet_pulls_say_nothing(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    missing(daemon)
    daemon.on("POST", "/images/create", chunks=[b'{"status": "Pulling"}'])
    assert havre("run", "-q", "busybox").err == ""


def test_pull_never(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    missing(daemon)
    done = havre("run", "--pull", "never", "busybox")
    assert done.code == 125
    assert "No such image: busybox:latest" in done.err
    assert not daemon.asked("POST", "/images/create")


def test_pull_always(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    daemon.on("POST", "/images/create", chunks=[b"{}"])
    assert havre("run", "--pull", "always", "busybox").code == 0
    assert daemon.trail()[0] == "POST /images/create"


def test_a_pull_that_fails_in_its_stream(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    missing(daemon)
    daemon.on("POST", "/images/create", chunks=[b'{"errorDetail": {"message": "denied"}, "error": "denied"}'])
    done = havre("run", "busybox")
    assert done.code == 125
    assert "havre: denied\n" in done.err


def test_another_404_is_not_a_missing_image(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    daemon.on("POST", "/containers/create", status=404, json={"message": "No such container: other"})
    assert "Unable to find image" not in havre("run", "--volumes-from", "other", "busybox").err
    assert not daemon.asked("POST", "/images/create")


def test_warnings_go_to_stderr(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    daemon.on("POST", "/containers/create", status=201, json={"Id": CONTAINER, "Warnings": ["careful"]})
    done = havre("run", "--dns", "127.0.0.1", "busybox")
    assert done.err == "WARNING: careful\nWARNING: Localhost DNS (127.0.0.1) may fail in containers.\n"


def test_the_id_file(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    path = havre.cwd / "cid"
    assert havre("run", "--cidfile", "cid", "busybox").code == 0
    assert path.read_text() == CONTAINER
    done = havre("run", "--cidfile", "cid", "busybox")
    assert done.code == 125
    assert "container ID file found, make sure the other container isn't running or delete cid" in done.err


def test_the_id_file_goes_where_there_is_no_container(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/containers/create", status=500, json={"message": "no"})
    assert havre("run", "--cidfile", "cid", "busybox").code == 125
    assert not (havre.cwd / "cid").exists()


def test_it_without_a_terminal(havre: Havre, daemon: FakeDaemon) -> None:
    done = havre("run", "-it", "busybox")
    assert done.code == 1
    assert done.err == "the input device is not a TTY\n"
    assert daemon.requests == []


def attached(daemon: FakeDaemon) -> None:
    deadline = time.monotonic() + 30
    while not daemon.asked("POST", "/containers/*/start"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGTSTP])
def test_signals_are_forwarded(havre: Havre, daemon: FakeDaemon, container: Container, number: signal.Signals) -> None:
    container.code = 128 + number
    daemon.on("POST", "/containers/*/kill", status=204, before=lambda _: container.ended.set())
    container.serve(lambda s: container.ended.wait(30))
    process = havre.start("run", "busybox", "sleep", "99")
    attached(daemon)
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    assert daemon.asked("POST", "/containers/*/kill")[0].one("signal") == number.name.removeprefix("SIG")


def test_signals_are_forwarded_while_nobody_reads_our_output(
    havre: Havre, daemon: FakeDaemon, container: Container
) -> None:
    block = frame(STDOUT, bytes(65536))

    def flood(stream: Stream) -> None:
        while not container.ended.is_set():
            stream.send(block)

    daemon.on("POST", "/containers/*/kill", status=204, before=lambda _: container.ended.set())
    container.serve(flood)
    process = havre.start("run", "busybox", "yes")
    attached(daemon)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert container.ended.wait(30)
    process.communicate(timeout=30)
    assert daemon.asked("POST", "/containers/*/kill")[0].one("signal") == "TERM"


def test_signals_stay_here_without_the_proxy(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    container.serve(lambda s: s.read_all())
    process = havre.start("run", "-i", "--sig-proxy=false", "busybox")
    attached(daemon)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert not daemon.asked("POST", "/containers/*/kill")


def test_nobody_reads_the_output(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    def endless(stream: Stream) -> None:
        while True:
            stream.send(frame(STDOUT, bytes(65536)))

    container.serve(endless)
    process = havre.start("run", "busybox", "yes")
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(30) == 141


def test_a_broken_stream_is_reported(havre: Havre, container: Container) -> None:
    container.serve(lambda s: s.send(b"this is no frame header"))
    done = havre("run", "busybox")
    assert done.code == 125
    assert "unrecognized stream" in done.err


def test_trace_as_a_table(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    steps = [["network", 0.5, 2.25], ["runtime", 3, 20]]
    daemon.on("POST", "/containers/*/start", status=204, headers={"X-Havre-Trace": json.dumps(steps)})
    container.serve(lambda s: s.send(frame(STDOUT, b"out\n")))
    done = havre("run", "--trace", "busybox", "true")
    assert done.out == "out\n"
    lines = [line.split()[0] for line in done.err.splitlines() if line.strip()]
    assert lines == ["havre", "STEP", "client", "api", "create", "attach", "start", "network", "runtime", "run", "exit"]


def test_trace_as_json(havre: Havre, daemon: FakeDaemon, container: Container) -> None:
    missing(daemon)
    daemon.on("POST", "/images/create", chunks=[b"{}"])
    daemon.on("POST", "/containers/*/start", status=204, headers={"X-Havre-Trace": '[["network", 0.5, 2.25]]'})
    done = havre("run", "-q", "--trace=json", "busybox")
    trace = json.loads(done.err)
    assert [step["name"] for step in trace["steps"]] == [
        "client",
        "api",
        "image check",
        "pull",
        "create",
        "attach",
        "start",
        "run",
        "exit",
    ]
    start = trace["steps"][6]
    assert start["steps"] == [{"name": "network", "start_ms": start["start_ms"] + 0.5, "duration_ms": 2.25}]
    starts = [step["start_ms"] for step in trace["steps"]]
    assert starts == sorted(starts)
    assert trace["total_ms"] >= starts[-1]


@pytest.mark.parametrize("header", ["nonsense", "{}", '[1, ["a"], ["b", "x", 1], [2, 1, 1]]'])
def test_a_strange_trace_header_is_left_out(
    havre: Havre, daemon: FakeDaemon, container: Container, header: str
) -> None:
    daemon.on("POST", "/containers/*/start", status=204, headers={"X-Havre-Trace": header})
    trace = json.loads(havre("run", "--trace=json", "busybox").err)
    assert all("steps" not in step for step in trace["steps"])
