"""The program's frame: global flags, the command table, help, suggestions, errors and exit codes."""

import importlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes import verbs, world
from tests.fakes.daemon import FakeDaemon
from tests.unit.cli.conftest import Havre

from havre.cli.commands import COMMANDS, COMMON, GROUPS
from havre.cli.help import command_help, flag_lines, suggestion
from havre.cli.main import load, main
from havre.cli.parser import Parser

# Each takes a millisecond or more to import, of about ten that a command has.
SLOW = {"re", "enum", "json", "socket", "typing", "dataclasses", "argparse", "collections", "functools", "subprocess"}


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_says_what_the_table_says(name: str) -> None:
    module = load(name)
    parser = Parser()
    module.configure(parser)
    assert module.HELP.startswith(COMMANDS[name][1])
    for line in module.USAGE.splitlines():
        assert line.startswith("havre ")
    assert all(flag.help for flag in parser.flags.values())


def test_no_module_is_left_out_of_the_table() -> None:
    folder = Path(importlib.import_module("havre.cli.commands").__file__ or "").parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert modules == {module for module, _ in COMMANDS.values()}
    assert set(COMMON) <= set(COMMANDS)


@pytest.mark.parametrize("argv", [["--help"], ["-h"], [], ["help"]])
def test_help(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    code, out, _ = run(capsys, *argv)
    assert code == 0
    assert out.startswith("Usage:  havre [OPTIONS] COMMAND\n")
    for name in ("  run         ", "  container   Manage containers\n", "  -H, --host list "):
        assert name in out


def test_help_of_a_command_with_commands_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["port", "--help"], ["help", "port"]):
        code, out, _ = run(capsys, *argv)
        assert code == 0
        assert out.startswith("Usage:  havre port CONTAINER [PRIVATE_PORT[/PROTO]]\n")
        assert "\nCommands:\n  add         Publish more ports" in out
        assert out.endswith("\n\nRun 'havre port COMMAND --help' for more information on a command.\n")
    for argv in (["port", "add", "--help"], ["port", "add", "web", "--help"], ["help", "port", "add"]):
        code, out, _ = run(capsys, *argv)
        assert (code, out.splitlines()[0]) == (0, "Usage:  havre port add CONTAINER PORT [PORT...]")
    assert "'havre port rm' requires at least 2 arguments" in run(capsys, "port", "rm", "web")[2]


@pytest.mark.parametrize("argv", [["run", "--help"], ["help", "run"], ["run", "--rm", "--help"]])
def test_help_of_a_command(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    code, out, _ = run(capsys, *argv)
    assert code == 0
    assert out.startswith(
        "Usage:  havre run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nCreate and run a new container from an image\n\n"
        "Aliases:\n  havre container run, havre run\n\nOptions:\n      --add-host list  "
    )
    assert "\n  -e, --env list " in out
    assert "--dns-opt " not in out
    assert max(len(line) for line in out.splitlines()) < 80


def test_help_under_the_name_it_was_called_by(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "container", "cp", "--help")[1].startswith(
        "Usage:  havre container cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n"
        "\thavre container cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH\n"
    )


@pytest.mark.parametrize("group", GROUPS)
def test_help_of_a_group(capsys: pytest.CaptureFixture[str], group: str) -> None:
    for argv in ([group], [group, "--help"], [group, "help"], ["help", group]):
        code, out, err = run(capsys, *argv)
        assert code == 0
        # Where nobody asked for help, it goes where errors go.
        out = err if argv == [group] else out
        assert out.startswith(f"Usage:  havre {group} COMMAND\n\n{GROUPS[group]}\n\nCommands:\n")
        assert out.endswith(f"Run 'havre {group} COMMAND --help' for more information on a command.\n")


@pytest.mark.parametrize(
    ("argv", "code", "err"),
    [
        (
            ["compose", "up"],
            1,
            "havre: havre does not implement compose yet\n\nRun 'havre --help' for what it has\n",
        ),
        (["foo"], 1, "havre: unknown command: havre foo\n\nRun 'havre --help' for more information\n"),
        (
            ["container", "rmm"],
            1,
            "havre: unknown command: havre container rmm\n\nDid you mean:\n  havre container rm\n\n"
            "Usage:  havre container\n\nRun 'havre container --help' for more information\n",
        ),
        (["--foo", "ps"], 125, "unknown flag: --foo\n\nUsage:  havre [OPTIONS] COMMAND [ARG...]\n\n"),
        (["-H"], 125, "flag needs an argument: 'H' in -H\n\nUsage:  havre [OPTIONS] COMMAND [ARG...]\n\n"),
        (["container", "--foo"], 125, "unknown flag: --foo\n\nUsage:  havre container\n\n"),
        (["help", "container", "foo"], 1, "unknown help topic: foo\n"),
        (["help", "foo"], 1, "unknown help topic: foo\n"),
        (["--log-level", "loud", "ps"], 1, "Unable to parse logging level: loud\n"),
        (
            ["rename", "a"],
            1,
            "havre: 'havre rename' requires 2 arguments\n\nUsage:  havre rename CONTAINER",
        ),
        (["container", "wait"], 1, "havre: 'havre container wait' requires at least 1 argument\n\n"),
        (["-H", "ssh://x", "kill", "a"], 1, "ssh://x: ssh:// is not supported"),
        (["-H", "a", "-H", "b", "kill", "a"], 1, "Specify only one -H\n"),
    ],
)
def test_wrong_command_lines(capsys: pytest.CaptureFixture[str], argv: list[str], code: int, err: str) -> None:
    found = run(capsys, *argv)
    assert found[0] == code
    assert found[1] == ""
    assert found[2].startswith(err)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("rn", "run"), ("imagse", "images"), ("contaner", "container"), ("volume crate", "volume create")],
)
def test_did_you_mean(typed: str, meant: str) -> None:
    assert f"  havre {meant}\n" in suggestion(typed)
    assert suggestion("qqqqq") == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version")[1].startswith("havre version ")
    assert run(capsys, "-v", "ps")[1].startswith("havre version ")


def test_a_flag_of_the_program_stands_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "kill", "-H", "unix:///x", "a")[2].startswith("unknown shorthand flag: 'H' in -H\n")


def test_a_bad_configuration_is_a_warning(havre: Havre, daemon: FakeDaemon) -> None:
    path = havre.config("{")
    daemon.on("POST", "/containers/*/kill", status=204)
    done = havre("kill", "a")
    assert (done.code, done.out) == (0, "a\n")
    assert done.err.startswith(f"WARNING: parsing config file ({path}): ")


def test_headers_of_the_configuration_are_sent(havre: Havre, daemon: FakeDaemon) -> None:
    havre.config('{"HttpHeaders": {"X-Tenant": "t", "User-Agent": "not this"}}')
    daemon.on("POST", "/containers/*/kill", status=204)
    havre("kill", "a")
    assert daemon.requests[0].headers["x-tenant"] == "t"
    assert daemon.requests[0].headers["user-agent"].startswith("havre/")


def test_the_api_version_of_the_environment(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/containers/*/kill", status=204)
    havre("kill", "a", env={"DOCKER_API_VERSION": "v1.40"})
    assert daemon.requests[0].version == "1.40"


def test_interrupted(havre: Havre, daemon: FakeDaemon) -> None:
    process = havre.start("wait", "a")
    daemon.on("POST", "/containers/*/wait", json={}, before=lambda _: process.send_signal(signal.SIGINT))
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_a_full_disk_is_said_plainly(havre: Havre) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "havre.cli.main", "--version"],
            env=havre.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert (done.returncode, done.stderr) == (1, b"havre: [Errno 28] No space left on device\n")


def test_closed_streams_are_no_accident(havre: Havre) -> None:
    program = f"{sys.executable} -m havre.cli.main --version"
    for redirection in (">&-", "2>&-", ">&- 2>&- <&-"):
        done = subprocess.run(["sh", "-c", f"{program} {redirection}"], env=havre.environment(), capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")


def test_lines_are_wrapped_like_pflags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("havre.cli.help._columns", lambda: 80)
    text = 'Set the logging level ("debug", "info", "warn", "error", "fatal")'
    parser = Parser()
    parser.flag("log-level", "l", "string", text, default="info")
    flags = list(parser.flags.values())
    assert flag_lines(flags) == (
        '  -l, --log-level string   Set the logging level ("debug", "info",\n'
        '                           "warn", "error", "fatal") (default "info")\n'
    )


def test_help_is_made_of_what_the_parser_knows() -> None:
    parser = Parser()
    parser.flag("all", "a", "bool", "Everything")
    parser.flag("limit", "n", "int", "At most", default=-1)
    assert command_help("x", "none", "havre x", "Do x", parser) == (
        "Usage:  havre x\n\nDo x\n\nOptions:\n"
        "  -a, --all         Everything\n  -n, --limit int   At most (default -1)\n"
    )


def test_a_simple_command_loads_nothing_slow(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("POST", "/containers/*/kill", status=204)
    script = "import sys\nfrom havre.cli.main import main\nmain(['kill', 'a'])\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(Path('src').resolve())!r})\n{script}"],
        env=havre.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert not loaded & {
        "re",
        "enum",
        "json",
        "socket",
        "typing",
        "dataclasses",
        "argparse",
        "collections",
        "functools",
    }
    assert len([name for name in loaded if name.startswith("havre.")]) < 25


@pytest.mark.parametrize(
    ("argv", "version", "since"),
    [
        (["run", "-d", "--annotation", "a=b", "b"], "1.42", {"annotation": "1.43"}),
        (["create", "--cgroupns", "host", "--gpus", "all", "b"], "1.39", {"gpus": "1.40", "cgroupns": "1.41"}),
        (["update", "--pids-limit", "5", "web", "busy"], "1.39", {"pids-limit": "1.40"}),
        (["exec", "-w", "/", "web", "x"], "1.34", {"workdir": "1.35"}),
        (["logs", "--until", "5", "web"], "1.34", {"until": "1.35"}),
    ],
)
def test_flags_that_an_old_daemon_would_ignore(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], version: str, since: dict[str, str]
) -> None:
    with FakeDaemon(tmp_path / "d.sock", api_version=version) as daemon:
        world.fill(daemon)
        verbs.fill(daemon)
        found = run(capsys, "-H", daemon.host, *argv)
        why = f"but the havre daemon API version is {version}"
        told = "".join(f'"--{flag}" requires API version {needed}, {why}\n' for flag, needed in since.items())
        assert (found, daemon.requests) == ((1, "", told), [])
        daemon.api_version = max(since.values())
        run(capsys, "-H", daemon.host, *argv)
        assert daemon.requests
