"""What it costs to have containers and to look at them: the rows with many sleeping containers."""

import time

from bench.engines import Measured
from bench.rows import Api, Row, cli, memory, twenty_sleepers

_MANY = 100
_IDLE_SECONDS = 15.0
_INSPECTIONS = 50


def rows(repeat: int) -> list[Row[Measured]]:
    """In the order they are measured."""
    return [
        Row("stats", "`docker stats --no-stream` of 20 containers", 1.0, lambda e: cli(e, "stats", "--no-stream"),
            samples=repeat, prepare=twenty_sleepers),
        Row("inspect", "`GET /containers/{id}/json`", 1.5, inspection, samples=repeat, prepare=twenty_sleepers),
        Row("pss-100", "daemon memory with 100 containers (PSS)", 0.6, memory, "MB", 3, prepare=many_sleepers),
        Row("pss-100-alone", "daemon memory with 100 containers, without conmon or shims", 0.8,
            lambda e: float(e.memory(alone=True)), "MB", 3, prepare=many_sleepers),
        Row("idle", "processor time of 15 idle seconds, 100 containers", 1.0, idle, samples=3, prepare=many_sleepers),
    ]  # fmt: skip


def many_sleepers(engine: Measured) -> None:
    api = Api(engine)
    for _ in range(_MANY):
        # They ignore nothing: the end of the row need not wait for them.
        id = api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["sleep", "1000000"], "StopSignal": "KILL"})
        api("POST", f"/containers/{id['Id']}/start")
    time.sleep(3)


def inspection(engine: Measured) -> float:
    """The mean of some, on one connection."""
    api = Api(engine)
    id = api("GET", "/containers/json")[0]["Id"]
    start = time.perf_counter()
    for _ in range(_INSPECTIONS):
        api("GET", f"/containers/{id}/json")
    return (time.perf_counter() - start) / _INSPECTIONS


def idle(engine: Measured) -> float:
    before = engine.processor_time()
    time.sleep(_IDLE_SECONDS)
    return engine.processor_time() - before
