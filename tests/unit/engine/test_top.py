"""The processes of a container from the host's ``ps``, and what Docker says when that cannot be."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from havre.engine.container.record import EXITED, PAUSED, RESTARTING, RUNNING, Container
from havre.engine.container.top import Processes, check_arguments, parse
from havre.errors import Conflict, InvalidParameter, SystemFault
from havre.wire.containers import ContainerConfig, HostConfig


@dataclass
class Registry:
    """One container, whatever it is called."""

    status: str = RUNNING

    def find(self, reference: str) -> Container:
        container = Container(
            id="a" * 64,
            name=reference,
            created=0,
            image="",
            config=ContainerConfig(image="i"),
            host=HostConfig(),
            path="",
            args=(),
            runtime="",
        )
        return container.with_state(status=self.status)


@dataclass
class Cgroups:
    members: list[int] = field(default_factory=list)

    def pids(self, group: str) -> list[int]:
        return self.members


@dataclass
class Told:
    actions: list[str] = field(default_factory=list)

    def publish(self, type: str, action: str, actor_id: str, attributes: dict[str, str] | None = None) -> None:
        self.actions.append(action)


@pytest.fixture
def process() -> Iterator[int]:
    # The name is what `ps -C` and the CMD column show.
    with subprocess.Popen([sys.executable, "-c", "input()  # a  name with blanks"], stdin=subprocess.PIPE) as running:
        yield running.pid
        running.kill()


def processes(status: str = RUNNING, *pids: int) -> tuple[Processes, Told]:
    told = Told()
    return Processes(Registry(status), Cgroups(list(pids)), told), told  # type: ignore[arg-type]


async def test_only_the_container_s_processes_are_listed(process: int) -> None:
    listing, told = processes(RUNNING, process)
    found = await listing.top("box")
    assert found["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    (row,) = found["Processes"]
    assert row[1] == str(process)
    assert row[7].startswith(sys.executable) and "a name with blanks" in row[7]
    assert told.actions == ["top"]


@pytest.mark.parametrize("arguments", ["aux", "axo pid,cmd", "-o pid,args", "-eo pid=PID,args", "-eLf", "m", "-A"])
async def test_arguments_are_handed_to_ps(process: int, arguments: str) -> None:
    listing, _ = processes(PAUSED, process)
    found = await listing.top("box", arguments)
    column = found["Titles"].index("PID")
    assert str(process) in [row[column] for row in found["Processes"]]
    assert {len(row) for row in found["Processes"]} == {len(found["Titles"])}


async def test_processes_come_in_the_order_of_their_numbers(process: int) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        numbers = sorted((process, other.pid))
        listing, _ = processes(RUNNING, *reversed(numbers))
        assert [int(row[1]) for row in (await listing.top("box"))["Processes"]] == numbers
        other.kill()


async def test_no_process_is_null() -> None:
    listing, _ = processes(RUNNING)
    assert (await listing.top("box"))["Processes"] is None


async def test_a_container_that_does_not_run() -> None:
    with pytest.raises(Conflict, match=f"^container {'a' * 64} is not running$"):
        await processes(EXITED)[0].top("box")
    with pytest.raises(Conflict, match="is restarting, wait until the container is running"):
        await processes(RESTARTING)[0].top("box")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("-o args", "Couldn't find PID field in ps output"),
        ("--no-headers", "Couldn't find PID field in ps output"),
        ("-eo pid=foo,args", "Couldn't find PID field in ps output"),
        ("-eo ppid=PID,args", 'specifying "ppid=PID,args" is not allowed'),
        ("-x -o args=PID", 'specifying "args=PID" is not allowed'),
        ("--zzz", "ps: error: unknown gnu long option"),
        ("-o  pid", "ps: error: format specification must follow -o"),
        ("-e; id", "ps: error:"),
    ],
)
async def test_arguments_that_will_not_do(process: int, arguments: str, text: str) -> None:
    listing, told = processes(RUNNING, process)
    with pytest.raises(InvalidParameter) as caught:
        await listing.top("box", arguments)
    assert str(caught.value).startswith(text)
    assert told.actions == []


def test_only_another_column_headed_pid_is_refused() -> None:
    check_arguments("-eo pid=PID,comm")
    check_arguments("-eo pid=  PID")
    with pytest.raises(InvalidParameter, match=r'^specifying "comm=PID" is not allowed$'):
        check_arguments("-o comm= PID")


def test_threads_follow_their_process() -> None:
    output = "  PID TTY STAT CMD\n 1 ? - init x\n - - Ss -\n 2 ? - other\n - - S -\n 3 ?  - a \u00a0 b\n"
    assert parse(output, {1, 3}) == (
        ["PID", "TTY", "STAT", "CMD"],
        [["1", "?", "-", "init x"], ["-", "-", "Ss", "-"], ["3", "?", "-", "a \u00a0 b"]],
    )


async def test_a_host_without_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    listing, _ = processes(RUNNING, 1)
    with pytest.raises(SystemFault, match="executable file not found"):
        await listing.top("box")
