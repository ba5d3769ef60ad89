"""The rules of health checks."""

import pytest

from havre.engine.container import health
from havre.engine.container.health import HEALTHY, STARTING, UNHEALTHY
from havre.engine.container.record import Health, HealthResult
from havre.errors import InvalidParameter
from havre.wire.containers import ContainerConfig, HealthConfig
from tests.unit.engine.container.test_registry import container

SECOND = 1_000_000_000


def result(code: int, start: int = 0) -> HealthResult:
    return HealthResult(start, start + 1, code, "")


def after(*codes: int, config: HealthConfig, start: int = 0, begin: str = STARTING) -> Health:
    found = Health(begin)
    for code in codes:
        found = health.judged(found, result(code, start), config, started_at=0)
    return found


@pytest.mark.parametrize(
    ("codes", "retries", "status", "streak"),
    [
        ((), 0, STARTING, 0),
        ((0,), 0, HEALTHY, 0),
        ((1, 1), 0, STARTING, 2),
        ((1, 1, 1), 0, UNHEALTHY, 3),
        ((1,), 1, UNHEALTHY, 1),
        ((0, 1, 1), 3, HEALTHY, 2),
        ((0, 1, 1, 2), 3, UNHEALTHY, 3),
        ((1, 1, 1, 0), 3, HEALTHY, 0),
        ((-1,), 1, UNHEALTHY, 1),
    ],
)
def test_what_results_make_of_a_container(codes: tuple[int, ...], retries: int, status: str, streak: int) -> None:
    found = after(*codes, config=HealthConfig(retries=retries))
    assert (found.status, found.failing_streak) == (status, streak)


def test_a_restart_is_due_once() -> None:
    config = HealthConfig(retries=2)
    due = [health.restart_due(after(*[1] * count, config=config), config) for count in range(5)]
    assert due == [False, False, True, False, False]
    # As a pause leaves it.
    assert not health.restart_due(Health(UNHEALTHY), config)
    assert health.restart_due(after(1, 1, config=config, begin=UNHEALTHY), config)


def test_failures_of_the_start_period_do_not_count() -> None:
    config = HealthConfig(start_period=10 * SECOND, retries=1)
    assert after(1, 1, config=config, start=9 * SECOND).failing_streak == 0
    assert after(1, config=config, start=10 * SECOND).status == UNHEALTHY
    # Once it was healthy they do.
    assert after(0, 1, config=config, start=SECOND).status == UNHEALTHY


def test_the_last_five_results_are_kept() -> None:
    found = after(*range(1, 9), config=HealthConfig(retries=100))
    assert [one.exit_code for one in found.log] == [4, 5, 6, 7, 8]


def test_pauses() -> None:
    config = HealthConfig(interval=7 * SECOND, start_period=10 * SECOND, start_interval=2 * SECOND)
    assert health.pause_before_next(config, Health(STARTING), 9 * SECOND) == 2 * SECOND
    assert health.pause_before_next(config, Health(HEALTHY), 9 * SECOND) == 7 * SECOND
    assert health.pause_before_next(config, Health(STARTING), 10 * SECOND) == 7 * SECOND
    assert health.pause_before_next(HealthConfig(), Health(STARTING), 0) == 30 * SECOND
    assert health.pause_before_next(HealthConfig(start_period=SECOND), Health(STARTING), 0) == 5 * SECOND
    assert health.timeout(HealthConfig()) == 30 * SECOND and health.timeout(HealthConfig(timeout=9)) == 9


@pytest.mark.parametrize(
    ("test", "shell", "command"),
    [
        (None, None, None),
        ([], None, None),
        (["NONE"], None, None),
        (["bogus", "x"], None, None),
        (["CMD", "a", "b"], ["/bin/bash"], ["a", "b"]),
        (["CMD-SHELL", "a b"], None, ["/bin/sh", "-c", "a b"]),
        (["CMD-SHELL", "a b"], ["/bin/bash", "-ec"], ["/bin/bash", "-ec", "a b"]),
    ],
)
def test_commands(test: list[str] | None, shell: list[str] | None, command: list[str] | None) -> None:
    assert health.command(ContainerConfig(healthcheck=HealthConfig(test=test), shell=shell)) == command
    assert health.command(ContainerConfig()) is None


def test_what_the_user_leaves_out_is_the_image_s() -> None:
    image = HealthConfig(test=["CMD", "image"], interval=1, timeout=2, retries=3, start_period=4, start_interval=5)
    assert health.merged(None, image) == image and health.merged(None, None) is None
    assert health.merged(HealthConfig(test=["CMD", "mine"]), None) == HealthConfig(test=["CMD", "mine"])
    mixed = health.merged(HealthConfig(interval=9, retries=8), image)
    assert mixed == HealthConfig(
        test=["CMD", "image"], interval=9, timeout=2, retries=8, start_period=4, start_interval=5
    )
    off = health.merged(HealthConfig(test=["NONE"]), image)
    assert off is not None and off.test == ["NONE"]


def test_values_that_are_refused() -> None:
    health.check(None)
    health.check(HealthConfig(test=["CMD"], interval=1_000_000, retries=1))
    with pytest.raises(InvalidParameter, match="Interval in Healthcheck cannot be less than 1ms"):
        health.check(HealthConfig(interval=999_999))
    with pytest.raises(InvalidParameter, match="Retries in Healthcheck cannot be negative"):
        health.check(HealthConfig(retries=-1))


def test_the_label_that_asks_for_a_restart() -> None:
    for value, wanted in (("true", True), ("1", False), ("", False)):
        one = container("a", "web").replace(config=ContainerConfig(labels={health.RESTART_LABEL: value}))
        assert health.restarts_when_unhealthy(one) is wanted
