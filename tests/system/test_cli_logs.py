"""``logs`` and ``events`` through both clients."""

import json
import re
import time

from tests.system.harness import Engine, wait_until
from tests.system.programs import Program

STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z ", re.MULTILINE)


def test_both_streams(cli: Program) -> None:
    cli("run", "--name", "both", "busybox", "sh", "-c", "echo out; echo err >&2", code=0)
    done = cli("logs", "both")
    assert (done.out, done.err) == ("out\n", "err\n")


def test_terminal_output_is_raw(cli: Program) -> None:
    cli("run", "-t", "--name", "tty", "busybox", "sh", "-c", "echo out; echo err >&2")
    assert cli("logs", "tty").out == "out\nerr\n".replace("\n", "\r\n") or cli("logs", "tty").out == "out\nerr\n"


def test_tail(cli: Program) -> None:
    cli("run", "--name", "ten", "busybox", "seq", "10")
    assert cli("logs", "--tail", "3", "ten").out == "8\n9\n10\n"
    assert cli("logs", "-n", "0", "ten").out == ""
    assert cli("logs", "--tail", "all", "ten").out == "".join(f"{n}\n" for n in range(1, 11))


def test_timestamps_since_until(cli: Program) -> None:
    cli("run", "--name", "slow", "busybox", "sh", "-c", "echo a; sleep 1.2; echo b; sleep 1.2; echo c")
    stamped = cli("logs", "-t", "slow").out
    assert STAMP.sub("", stamped) == "a\nb\nc\n"
    times = [line.split()[0] for line in stamped.splitlines()]
    assert times == sorted(times)
    assert cli("logs", "--since", times[1], "slow").out == "b\nc\n"
    assert cli("logs", "--until", times[1][:-1].split(".")[0] + "Z", "slow").out in ("a\n", "")
    assert cli("logs", "--since", "1h", "slow").out == "a\nb\nc\n"


def test_follow_ends_with_the_container(cli: Program) -> None:
    script = "echo first; while [ ! -e /go ]; do sleep 0.05; done; echo last; exit 1"
    cli("run", "-d", "--name", "live", "busybox", "sh", "-c", script)
    process = cli.start("logs", "-f", "live")
    assert process.stdout is not None and process.stdout.readline() == b"first\n"
    cli("exec", "live", "touch", "/go")
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == (b"last\n", 0)


def test_partial_and_long_lines(cli: Program) -> None:
    cli("run", "--name", "long", "busybox", "sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo; printf end")
    assert cli("logs", "long").out == "x" * 100000 + "\nend"


def test_many_lines(cli: Program) -> None:
    cli("run", "-d", "--name", "many", "busybox", "seq", "100000")
    cli("wait", "many")
    assert cli("logs", "many").out == "".join(f"{n}\n" for n in range(1, 100001))


def test_logs_survive_a_restart(cli: Program) -> None:
    cli("run", "--name", "twice", "busybox", "echo", "x")
    cli("start", "-a", "twice")
    assert cli("logs", "twice").out == "x\nx\n"


def test_unknown_container(cli: Program) -> None:
    assert cli("logs", "nobody", code=1).err == "Error response from daemon: No such container: nobody\n"


def test_events_of_a_life(cli: Program, engine: Engine) -> None:
    since = f"{time.time():.6f}"
    cli("run", "--name", "lived", "--label", "color=red", "busybox", "sh", "-c", "exit 3", code=3)
    cli("rename", "lived", "gone")
    cli("rm", "gone")
    listing = cli("events", "--since", since, "--until", f"{time.time():.6f}", "--format", "{{json .}}").lines
    events = [json.loads(line) for line in listing]
    actions = [event["Action"] for event in events if event["Type"] == "container"]
    wanted = ["create", "attach", "start", "die", "rename", "destroy"]
    assert sorted(actions, key=wanted.index) == wanted
    assert [action for action in actions if action != "attach"] == [word for word in wanted if word != "attach"]
    network = [event["Action"] for event in events if event["Type"] == "network"]
    assert network == ["connect", "disconnect"]
    die = next(event for event in events if event["Action"] == "die")
    assert die["Actor"]["Attributes"]["exitCode"] == "3"
    assert die["Actor"]["Attributes"]["color"] == "red"
    assert die["Actor"]["Attributes"]["image"] == "busybox"
    assert die["Actor"]["Attributes"]["name"] == "lived"


def test_events_filter_and_stream(cli: Program) -> None:
    process = cli.start(
        "events",
        "--filter",
        "event=start",
        "--filter",
        "type=container",
        "--format",
        "{{.Action}} {{.Actor.Attributes.name}}",
    )
    assert process.stdout is not None

    def heard() -> bool:
        cli("run", "--rm", "--name", "loud", "busybox", "true")
        return cli("events", "--since", "1m", "--until", "0s", "--filter", "container=loud").out != ""

    wait_until(heard, "an event")
    # The first run may have been before the stream stood; it stands now.
    cli("run", "--rm", "--name", "surely", "busybox", "true")
    line = process.stdout.readline().decode()
    while line == "start loud\n":
        line = process.stdout.readline().decode()
    assert line == "start surely\n"
    process.terminate()
    process.communicate()


def test_event_line(cli: Program) -> None:
    since = f"{time.time():.6f}"
    id = cli("create", "--name", "shown", "busybox").out.strip()
    line = cli("events", "--since", since, "--until", f"{time.time():.6f}").out
    assert re.fullmatch(rf"\S+T\S+ container create {id} \(image=busybox, name=shown\)\n", line), line
