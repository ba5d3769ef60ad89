"""The verbs of containers on the scripted daemon: ``web`` can do everything, ``nope`` is not there, ``busy`` is in the
way of everything, ``warn`` is warned about.
"""

from tests.fakes.daemon import FakeDaemon
from tests.fakes.world import ident, missing

CREATED = "c0" * 32
EXEC, DETACHED = "e0" * 32, "d0" * 32
_FRAME = b"\1\0\0\0\0\0\0\3hi\n"
_MULTIPLEXED = {"Content-Type": "application/vnd.docker.multiplexed-stream"}


def fill(daemon: FakeDaemon) -> None:
    """Script them; ``tests.fakes.world.fill`` has what is asked and not done."""
    on = daemon.on
    for verb in ("start", "stop", "restart", "kill", "pause", "unpause", "rename", "wait", "resize"):
        on("POST", f"/containers/*/{verb}", status=204)
    on("POST", "/containers/*/wait", json={"StatusCode": 3})
    on("POST", "/containers/*/update", json={"Warnings": None})
    on("POST", "/containers/warn/update", json={"Warnings": ["one", "two"]})
    on("DELETE", "/containers/*", status=204)
    on("DELETE", "/containers/web/alias", status=204)
    on("POST", "/containers/create", status=201, json={"Id": CREATED, "Warnings": []})
    _streams(daemon)
    _checkpoints(daemon)
    for verb in ("start", "stop", "restart", "kill", "pause", "unpause", "rename", "wait", "update", "exec"):
        on("POST", f"/containers/nope/{verb}", **missing("No such container: nope"))
        on("POST", f"/containers/busy/{verb}", status=409, json={"message": "busy is busy"})
    on("GET", "/containers/nope/top", **missing("No such container: nope"))
    on("DELETE", "/containers/nope", **missing("No such container: nope"))
    on("DELETE", "/containers/busy", status=409, json={"message": "busy is busy"})


def _streams(daemon: FakeDaemon) -> None:
    on = daemon.on
    on("POST", "/containers/*/attach", hijack=lambda stream: None, headers=_MULTIPLEXED)
    on("POST", "/containers/*/exec", status=201, json={"Id": EXEC})
    on("POST", "/containers/detached/exec", status=201, json={"Id": DETACHED})
    on("POST", f"/exec/{EXEC}/start", hijack=lambda stream: None, headers=_MULTIPLEXED)
    on("POST", f"/exec/{DETACHED}/start", status=200)
    on("POST", "/exec/*/resize", status=200)
    on("GET", "/exec/*/json", json={"ID": EXEC, "Running": False, "ExitCode": 4, "Pid": 1})
    on("GET", "/containers/detached/json", json={"Id": "detached", "State": {"Running": True}, "Config": {}})
    on("GET", f"/containers/{ident('a')}/json", json={"Id": ident("a"), "State": {"Running": True}, "Config": {}})
    for name in ("web", ident("a")):
        on("GET", f"/containers/{name}/logs", body=_FRAME, headers=_MULTIPLEXED)
    on("GET", "/containers/nope/logs", **missing("No such container: nope"))
    on("GET", "/containers/web/top", json={"Titles": ["UID", "PID", "CMD"], "Processes": [["root", "1", "sh -c a"]]})


def _checkpoints(daemon: FakeDaemon) -> None:
    on = daemon.on
    on("POST", "/containers/*/checkpoints", status=201)
    on("GET", "/containers/*/checkpoints", json=[{"Name": "one"}, {"Name": "two"}])
    on("DELETE", "/containers/*/checkpoints/*", status=204)
