"""The rules of health checks: which probe a container has, how often it runs, what its results make of the container's
health. Pure; ``healthchecks`` runs them.

Source: the ``HealthConfig`` of the Engine API, and what dockerd 28 makes of it.
"""

import msgspec

from havre.engine.container.record import Container, Health, HealthResult
from havre.errors import InvalidParameter
from havre.wire.containers import ContainerConfig, HealthConfig

NONE, STARTING, HEALTHY, UNHEALTHY = "none", "starting", "healthy", "unhealthy"
STATUSES = (NONE, STARTING, HEALTHY, UNHEALTHY)

# An opt-in of havre's own: a container with this label set to "true" is restarted when it becomes unhealthy.
RESTART_LABEL = "havre.restart-on-unhealthy"
LONGEST_OUTPUT = 4096
_LOG_ENTRIES = 5
_RETRIES = 3
_SECOND = 1_000_000_000
_INTERVAL, _TIMEOUT, _START_INTERVAL = 30 * _SECOND, 30 * _SECOND, 5 * _SECOND
_SHORTEST = 1_000_000
_DURATIONS = {
    "Interval": "interval",
    "Timeout": "timeout",
    "StartPeriod": "start_period",
    "StartInterval": "start_interval",
}


def check(config: HealthConfig | None) -> None:
    """``InvalidParameter`` with Docker's text for values it refuses at create."""
    if config is None:
        return
    for name in ("Interval", "Timeout"):
        _check_duration(name, config)
    if config.retries < 0:
        raise InvalidParameter("Retries in Healthcheck cannot be negative")
    for name in ("StartPeriod", "StartInterval"):
        _check_duration(name, config)


def _check_duration(name: str, config: HealthConfig) -> None:
    value: int = getattr(config, _DURATIONS[name])
    if value != 0 and value < _SHORTEST:
        raise InvalidParameter(f"{name} in Healthcheck cannot be less than 1ms")


def merged(asked: HealthConfig | None, image: HealthConfig | None) -> HealthConfig | None:
    """The user's health check, each value that was not given taken from the image's."""
    if asked is None or image is None:
        return asked or image
    return HealthConfig(
        test=asked.test or image.test,
        interval=asked.interval or image.interval,
        timeout=asked.timeout or image.timeout,
        retries=asked.retries or image.retries,
        start_period=asked.start_period or image.start_period,
        start_interval=asked.start_interval or image.start_interval,
    )


def command(config: ContainerConfig) -> list[str] | None:
    """The probe's program and arguments; None when the container has no health check."""
    test = config.healthcheck.test if config.healthcheck is not None else None
    if not test or test[0] not in ("CMD", "CMD-SHELL"):
        return None
    if test[0] == "CMD":
        return test[1:]
    return [*(config.shell or ["/bin/sh", "-c"]), *test[1:]]


def timeout(config: HealthConfig) -> int:
    """Nanoseconds a probe may take."""
    return config.timeout or _TIMEOUT


def pause_before_next(config: HealthConfig, health: Health, age: int) -> int:
    """Nanoseconds until the next probe of a container that was started ``age`` nanoseconds ago."""
    if health.status == STARTING and age < config.start_period:
        return config.start_interval or _START_INTERVAL
    return config.interval or _INTERVAL


def judged(health: Health, result: HealthResult, config: HealthConfig, started_at: int) -> Health:
    """The health after one more result."""
    log = (*health.log, result)[-_LOG_ENTRIES:]
    if result.exit_code == 0:
        return Health(HEALTHY, 0, log)
    if health.status == STARTING and result.start - started_at < config.start_period:
        return Health(STARTING, health.failing_streak, log)
    streak = health.failing_streak + 1
    return Health(UNHEALTHY if streak >= (config.retries or _RETRIES) else health.status, streak, log)


def with_status(health: Health, status: str) -> Health:
    """The same results under another status."""
    return msgspec.structs.replace(health, status=status)


def restart_due(health: Health, config: HealthConfig) -> bool:
    """Whether the last result is the one too many. A container that was paused is called unhealthy without one."""
    return health.status == UNHEALTHY and health.failing_streak == (config.retries or _RETRIES)


def restarts_when_unhealthy(container: Container) -> bool:
    """Whether the container asks to be restarted once it is unhealthy."""
    return (container.config.labels or {}).get(RESTART_LABEL) == "true"
