"""``exec`` and ``attach`` through both clients."""

from tests.system.harness import Engine, wait_until
from tests.system.programs import Program


def sleeper(cli: Program, *flags: str) -> str:
    return cli("run", "-d", *flags, "--name", "box", "busybox", "sleep", "1000").out.strip()


def test_output_and_exit_code(cli: Program) -> None:
    sleeper(cli)
    done = cli("exec", "box", "sh", "-c", "echo out; echo err >&2; exit 7", code=7)
    assert (done.out, done.err) == ("out\n", "err\n")


def test_stdin(cli: Program) -> None:
    sleeper(cli)
    data = b"0123456789" * 100_000
    assert cli("exec", "-i", "box", "sh", "-c", "wc -c; echo end", stdin=data).out.split() == ["1000000", "end"]
    assert cli("exec", "box", "cat", stdin="unread").out == ""


def test_surroundings(cli: Program) -> None:
    sleeper(cli, "-e", "FROM=run", "-w", "/tmp")
    assert cli("exec", "box", "sh", "-c", "echo $FROM; pwd; id -u").out == "run\n/tmp\n0\n"
    done = cli("exec", "-u", "app", "-w", "/home", "-e", "MORE=1", "box", "sh", "-c", "echo $FROM$MORE; pwd; id -un")
    assert done.out == "run1\n/home\napp\n"
    assert cli("exec", "box", "grep", "CapEff", "/proc/self/status").out == "CapEff:\t00000000a80425fb\n"


def test_terminal(cli: Program) -> None:
    sleeper(cli)
    with cli.terminal("exec", "-it", "box", "sh", rows=33, columns=77) as terminal:
        terminal.expect("# ")
        terminal.send("stty size\n")
        terminal.expect("33 77")
        terminal.expect("# ")
        terminal.resize(20, 60)
        terminal.send("while [ \"$(stty size)\" != '20 60' ]; do :; done; echo resiz''ed\n")
        terminal.expect("resized")
        terminal.send("exit 3\n")
        assert terminal.wait() == 3


def test_detached(cli: Program) -> None:
    sleeper(cli)
    assert cli("exec", "-d", "box", "sh", "-c", "echo x > /made").out == ""
    wait_until(lambda: cli("exec", "box", "cat", "/made", code=None).out == "x\n", "the detached command")


def test_errors(cli: Program, engine: Engine) -> None:
    id = sleeper(cli)
    done = cli("exec", "box", "no-such-command", code=127)
    assert 'exec: "no-such-command": executable file not found in $PATH' in done.out + done.err
    assert "permission denied" in (done := cli("exec", "box", "/etc/passwd", code=126)).out + done.err
    done = cli("exec", "nobody", "true", code=1)
    assert done.err == "Error response from daemon: No such container: nobody\n"
    cli("kill", "box")
    wait_until(lambda: not engine.inspect("box")["State"]["Running"], "the container to die")
    assert cli("exec", "box", "true", code=1).err == f"Error response from daemon: container {id} is not running\n"


def test_exec_inspect(cli: Program, engine: Engine) -> None:
    id = sleeper(cli)
    body = {"Cmd": ["sh", "-c", "sleep 0.2; exit 5"], "AttachStdout": True}
    exec_id = engine.api("POST", f"/containers/{id}/exec", body).json()["Id"]
    found = engine.api("GET", f"/exec/{exec_id}/json").json()
    assert (found["Running"], found["ExitCode"], found["ContainerID"]) == (False, None, id)
    assert found["ProcessConfig"]["entrypoint"] == "sh"
    assert engine.api("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 200
    wait_until(lambda: engine.api("GET", f"/exec/{exec_id}/json").json()["ExitCode"] == 5, "the exec to end")
    assert engine.api("POST", f"/exec/{exec_id}/start", {"Detach": True}).status == 409


def test_attach_sees_what_comes(cli: Program) -> None:
    cli("run", "-d", "-i", "--name", "asking", "busybox", "sh", "-c", "read a; read b; echo $b $a; exit 6")
    process = cli.start("attach", "asking")
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"one\ntwo\n")
    process.stdin.flush()
    assert process.stdout.read() == b"two one\n"
    assert process.wait(30) == 6
    process.communicate()


def test_attach_without_stdin(cli: Program) -> None:
    script = "while [ ! -e /go ]; do sleep 0.05; done; echo out; echo err >&2"
    cli("run", "-d", "--name", "speaker", "busybox", "sh", "-c", script)
    process = cli.start("attach", "--no-stdin", "speaker")
    # Attached when the daemon says so; there is no other sign, so the command waits for a file.
    cli("exec", "speaker", "sh", "-c", "sleep 0.5; touch /go")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"out\n", b"err\n")


def test_two_attached_clients_see_the_same(cli: Program) -> None:
    cli("run", "-d", "-i", "--name", "shared", "busybox", "sh", "-c", "read line; echo got $line")
    first = cli.start("attach", "--no-stdin", "shared")
    second = cli.start("attach", "shared")
    cli("exec", "shared", "sleep", "0.5")
    assert second.stdin is not None and second.stdout is not None
    second.stdin.write(b"word\n")
    second.stdin.flush()
    assert second.stdout.read() == b"got word\n"
    assert first.communicate(timeout=30)[0] == b"got word\n"
    second.communicate(timeout=30)


def test_attach_to_a_stopped_container(cli: Program) -> None:
    cli("create", "--name", "asleep", "busybox")
    done = cli("attach", "asleep", code=1)
    assert "cannot attach to a stopped container, start it first" in done.err
