"""``run`` through both clients: streams, exit codes, the process's surroundings, terminals."""

import signal
from pathlib import Path

import pytest

from tests.system.harness import Engine, wait_until
from tests.system.programs import Program


def test_output_and_exit_code(cli: Program) -> None:
    done = cli("run", "--rm", "busybox", "sh", "-c", "echo to out; echo to err >&2; exit 42", code=42)
    assert (done.out, done.err) == ("to out\n", "to err\n")


def test_rm_removes_the_container_and_its_anonymous_volume(cli: Program, engine: Engine) -> None:
    cli("run", "--rm", "-v", "/data", "busybox", "touch", "/data/file")
    wait_until(lambda: engine.containers() == [], "the container to go")
    assert not engine.api("GET", "/volumes").json()["Volumes"]


def test_without_rm_the_container_stays(cli: Program, engine: Engine) -> None:
    cli("run", "--name", "stays", "busybox", "true")
    assert engine.inspect("stays")["State"]["Status"] == "exited"


def test_stdin_ends_with_a_half_close(cli: Program) -> None:
    data = bytes(range(256)) * 8192
    done = cli("run", "--rm", "-i", "busybox", "sh", "-c", "wc -c; echo done", stdin=data)
    assert done.out.split() == [str(len(data)), "done"]


def test_output_arrives_where_the_input_was_not_all_read(cli: Program) -> None:
    for _ in range(5):
        done = cli("run", "--rm", "-i", "busybox", "head", "-n", "1", stdin="y\n" * 500_000)
        assert done.out == "y\n"


def test_without_interactive_stdin_is_empty(cli: Program) -> None:
    assert cli("run", "--rm", "busybox", "cat", stdin="not for the container").out == ""


def test_large_output_is_whole(cli: Program) -> None:
    done = cli("run", "--rm", "busybox", "seq", "400000")
    assert done.out == "".join(f"{n}\n" for n in range(1, 400001))


def test_detached_prints_the_id(cli: Program, engine: Engine) -> None:
    done = cli("run", "-d", "--name", "behind", "busybox", "sleep", "1000")
    assert done.out.strip() == engine.inspect("behind")["Id"]
    assert engine.inspect("behind")["State"]["Running"]


def test_command_not_found(cli: Program) -> None:
    done = cli("run", "--rm", "busybox", "no-such-command", code=127)
    assert 'exec: "no-such-command": executable file not found in $PATH' in done.err
    assert f"{cli.name}: Error response from daemon: " in done.err
    assert f"Run '{cli.name} run --help' for more information" in done.err


def test_command_not_executable(cli: Program) -> None:
    done = cli("run", "--rm", "busybox", "/etc/passwd", code=126)
    assert "permission denied" in done.err


def test_image_not_found(cli: Program) -> None:
    done = cli("run", "--rm", "--pull", "never", "127.0.0.1:1/no/such:image", code=125)
    assert "No such image: 127.0.0.1:1/no/such:image" in done.err


def test_unknown_flag(cli: Program) -> None:
    done = cli("run", "--no-such-flag", "busybox", code=125)
    assert done.err.splitlines()[0] == "unknown flag: --no-such-flag"
    assert f"'{cli.name} run --help'" in done.err


def test_name_in_use(cli: Program, engine: Engine) -> None:
    cli("create", "--name", "taken", "busybox")
    done = cli("run", "--name", "taken", "busybox", "true", code=125)
    wanted = (
        f'Conflict. The container name "/taken" is already in use by container "{engine.inspect("taken")["Id"]}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )
    assert wanted in done.err


def test_invalid_name(cli: Program) -> None:
    done = cli("run", "--name", "no/good", "busybox", "true", code=125)
    assert "Invalid container name (no/good), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed" in done.err


@pytest.mark.parametrize(
    ("flags", "command", "wanted"),
    [
        (["-e", "A=1", "-e", "B=two words"], 'echo "$A/$B"', "1/two words"),
        (["-w", "/made/for/this"], "pwd", "/made/for/this"),
        (["-u", "app"], "id -u; id -g; id -G", "1000\n1000\n1000 2000"),
        (["-u", "app:www-data"], "id -u; id -g", "1000\n33"),
        (["-u", "1234:4321"], "id -u; id -g", "1234\n4321"),
        (["-h", "myhost"], "hostname; cat /etc/hostname", "myhost\nmyhost"),
        (["--group-add", "extra"], "id -G", "0 2000"),
        (["--read-only"], "touch /x 2>/dev/null || echo refused", "refused"),
        (["--read-only", "--tmpfs", "/t:size=1m"], "touch /t/x && df -k /t | tail -1 | awk '{print $2}'", "1024"),
        (["--shm-size", "2m"], "df -k /dev/shm | tail -1 | awk '{print $2}'", "2048"),
        (["--cap-drop", "ALL"], "grep CapEff /proc/self/status", "CapEff:\t0000000000000000"),
        ([], "grep CapEff /proc/self/status", "CapEff:\t00000000a80425fb"),
        (["--cap-add", "NET_ADMIN"], "grep CapEff /proc/self/status", "CapEff:\t00000000a80435fb"),
        ([], "grep Seccomp: /proc/self/status", "Seccomp:\t2"),
        (["--privileged"], "grep Seccomp: /proc/self/status; test -e /dev/kmsg && echo all", "Seccomp:\t0\nall"),
        (["--device", "/dev/zero:/dev/nought:r"], "head -c 2 /dev/nought | od -An -tx1", " 00 00"),
        (["--network", "none"], "ls /sys/class/net", "lo"),
        (["--init"], "[ $$ != 1 ] && tr '\\0' ' ' < /proc/1/cmdline | grep -c ' -- sh -c'", "1"),
        ([], "echo $$", "1"),
        (["-t"], "test -t 1 && echo terminal", "terminal"),
        (["--ulimit", "nofile=100:200"], "ulimit -n; ulimit -Hn", "100\n200"),
        (["--oom-score-adj", "500"], "cat /proc/self/oom_score_adj", "500"),
        (["--sysctl", "net.ipv4.ip_default_ttl=77"], "cat /proc/sys/net/ipv4/ip_default_ttl", "77"),
        (["--add-host", "other:10.1.2.3"], "grep other /etc/hosts", "10.1.2.3\tother"),
        (["--dns", "192.0.2.1", "--dns-search", "x.test"], "grep -v '^#' /etc/resolv.conf | grep -v ^$ | head -2",
         "nameserver 192.0.2.1\nsearch x.test"),
    ],
)  # fmt: skip
def test_surroundings(cli: Program, flags: list[str], command: str, wanted: str) -> None:
    done = cli("run", "--rm", *flags, "busybox", "sh", "-c", command)
    assert done.out.replace("\r\n", "\n").rstrip("\n") == wanted


def test_masked_and_read_only_paths(cli: Program) -> None:
    script = "cat /proc/kcore | wc -c; (echo 1 > /proc/sys/kernel/pid_max) 2>&1 | grep -c 'Read-only file system'"
    assert cli("run", "--rm", "busybox", "sh", "-c", script).out.split() == ["0", "1"]


def test_entrypoint(cli: Program) -> None:
    assert cli("run", "--rm", "--entrypoint", "echo", "busybox", "a", "b").out == "a b\n"


def test_environment_file_and_host_variable(cli: Program, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# comment\nONE=1\nFROM_HOST\n")
    script = "echo $ONE $FROM_HOST $ALSO"
    done = cli(
        "run", "--rm", "--env-file", str(tmp_path / "env"), "-e", "ALSO", "busybox", "sh", "-c", script,
        env={"FROM_HOST": "h", "ALSO": "a"},
    )  # fmt: skip
    assert done.out == "1 h a\n"


def test_bind_mounts(cli: Program, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the host\n")
    script = "cat /m/file; echo back > /m/reply; touch /ro/x 2>/dev/null || echo read-only"
    done = cli("run", "--rm", "-v", f"{tmp_path}:/m", "-v", f"{tmp_path}:/ro:ro", "busybox", "sh", "-c", script)
    assert done.out == "from the host\nread-only\n"
    assert (tmp_path / "reply").read_text() == "back\n"


def test_bind_mount_of_a_missing_path(cli: Program, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    done = cli("run", "--rm", "--mount", f"type=bind,src={missing},dst=/m", "busybox", "true", code=125)
    assert f"bind source path does not exist: {missing}" in done.err
    cli("run", "--rm", "-v", f"{missing}:/m", "busybox", "true")
    assert missing.is_dir()


def test_named_volume_keeps_its_data(cli: Program) -> None:
    cli("run", "--rm", "-v", "kept:/data", "busybox", "sh", "-c", "echo kept > /data/file")
    assert cli("run", "--rm", "--mount", "src=kept,dst=/d", "busybox", "cat", "/d/file").out == "kept\n"


def test_new_volume_is_filled_from_the_image(cli: Program) -> None:
    done = cli(
        "run", "--rm", "-v", "etc:/etc", "busybox", "sh", "-c", "grep -c ^app /etc/passwd; ls -ld /etc | cut -c1-10"
    )
    assert done.out == "1\ndrwxr-xr-x\n"
    done = cli("run", "--rm", "-v", "home:/home/app", "busybox", "stat", "-c", "%u:%g", "/home/app")
    assert done.out == "1000:1000\n"


def test_limits(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "small", "-m", "64m", "--cpus", "0.5", "--pids-limit", "20", "busybox", "sleep", "1000")
    host = engine.inspect("small")["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 << 20, 500_000_000, 20)
    fork = "for i in $(seq 40); do sleep 5 & done 2>&1; true"
    assert "Resource temporarily unavailable" in cli("exec", "small", "sh", "-c", fork, code=None).out


def test_out_of_memory(cli: Program, engine: Engine) -> None:
    cli("run", "--name", "greedy", "-m", "16m", "--memory-swap", "16m", "busybox", "tail", "/dev/zero", code=137)
    assert engine.inspect("greedy")["State"]["OOMKilled"]


def test_terminal(cli: Program) -> None:
    with cli.terminal("run", "-it", "--rm", "busybox", "sh", rows=40, columns=132) as terminal:
        terminal.expect("# ")
        terminal.send("stty size; tty\n")
        terminal.expect("40 132")
        terminal.expect("/dev/pts/0")
        terminal.expect("# ")
        terminal.resize(30, 100)
        terminal.send("while [ \"$(stty size)\" != '30 100' ]; do :; done; echo resiz''ed\n")
        terminal.expect("resized")
        terminal.send("exit 7\n")
        assert terminal.wait() == 7


def test_terminal_interrupt_reaches_the_process(cli: Program) -> None:
    with cli.terminal("run", "-it", "--rm", "busybox", "sh") as terminal:
        terminal.expect("# ")
        # It speaks once it is the terminal's foreground process: a shell that is about to start it may drop the signal.
        terminal.send("sh -c 'echo sleep\"\"ing; exec sleep 1000'\n")
        terminal.expect("sleeping")
        terminal.send(b"\x03")
        terminal.expect("# ")
        terminal.send("echo $?; exit\n")
        terminal.expect("130")
        assert terminal.wait() == 0


def test_detach_keys(cli: Program, engine: Engine) -> None:
    with cli.terminal("run", "-it", "--name", "left", "busybox", "sh") as terminal:
        terminal.expect("# ")
        terminal.send(b"\x10\x11")
        assert terminal.wait() == 0
    assert engine.inspect("left")["State"]["Running"]
    with cli.terminal("attach", "--detach-keys", "ctrl-x,q", "left") as terminal:
        terminal.send("echo here''again\n")
        terminal.expect("hereagain")
        terminal.send(b"\x18q")
        terminal.wait()
    assert engine.inspect("left")["State"]["Running"]


def test_signals_are_passed_on(cli: Program, engine: Engine) -> None:
    script = "trap 'echo got TERM; exit 3' TERM; echo ready; while :; do sleep 0.1; done"
    process = cli.start("run", "--rm", "busybox", "sh", "-c", script)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    out, _err = process.communicate(timeout=30)
    assert (process.returncode, out) == (3, b"got TERM\n")


def test_id_file(cli: Program, engine: Engine, tmp_path: Path) -> None:
    cli("run", "-d", "--name", "filed", "--cidfile", str(tmp_path / "id"), "busybox", "true")
    assert (tmp_path / "id").read_text() == engine.inspect("filed")["Id"]


def test_labels(cli: Program, engine: Engine) -> None:
    cli("create", "--name", "labelled", "--label", "a=b", "-l", "flag", "busybox")
    assert engine.inspect("labelled")["Config"]["Labels"] == {"a": "b", "flag": ""}


def test_restart_policy(cli: Program, engine: Engine) -> None:
    cli("run", "-d", "--name", "again", "--restart", "on-failure:2", "busybox", "sh", "-c", "echo once; exit 1")
    wait_until(lambda: engine.inspect("again")["State"]["Status"] == "exited", "the restarts to end")
    assert engine.inspect("again")["RestartCount"] == 2
    assert cli("logs", "again").out == "once\n" * 3


def test_conflicting_options(cli: Program) -> None:
    done = cli("run", "--rm", "--restart", "always", "busybox", "true", code=125)
    assert "conflicting options: cannot specify both --restart and --rm" in done.err
