"""Which containers a list or a prune means: Docker's filters. Pure but for the records they look at."""

import re
import time
from collections.abc import Callable, Iterator

from havre.engine.container import health
from havre.engine.container.record import CREATED, DEAD, EXITED, Container, Health
from havre.engine.container.registry import Registry
from havre.errors import InvalidParameter
from havre.lib import times
from havre.wire.filters import Filters

LIST_FILTERS = [
    "ancestor",
    "before",
    "expose",
    "exited",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
]
_PRUNE_FILTERS = ("label", "label!", "until")
_STATUSES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
_LAST_PORT = 65535

Test = Callable[[Container], bool]


def test(
    registry: Registry,
    filters: Filters,
    same_image: Callable[[str], frozenset[str]],
    health_of: Callable[[Container], Health | None],
) -> Test:
    """A predicate for the filters of ``ps``; ``same_image`` gives the ids an ``ancestor`` reference means."""
    filters.validate(LIST_FILTERS)
    tests: list[Test] = []
    for status in filters.values_of("status"):
        if status not in _STATUSES:
            raise _no_choice("status", "state", status, _STATUSES)
    codes = [_integer(filters, "exited", value) for value in filters.values_of("exited")]
    if codes:
        tests.append(lambda one: one.state.exit_code in codes and not one.state.running and one.state.started_at > 0)
    for bound, newer in (("since", True), ("before", False)):
        for reference in filters.values_of(bound):
            tests.append(_relative(registry.find(reference), newer))
    ancestors = [same_image(reference) for reference in filters.values_of("ancestor")]
    if ancestors:
        images = frozenset[str]().union(*ancestors)
        tests.append(lambda one: one.image in images)
    for kind in ("publish", "expose"):
        if ports := [_port_range(kind, value) for value in filters.values_of(kind)]:
            tests.append(_ports_test(kind, ports))
    if "is-task" in filters and filters.flag("is-task"):
        tests.append(lambda one: False)
    if wanted := filters.values_of("health"):
        for value in wanted:
            if value not in health.STATUSES:
                raise _no_choice("health", "health", value, health.STATUSES)
        tests.append(lambda one: _health_name(health_of(one)) in wanted)

    def matches(one: Container) -> bool:
        return (
            filters.exact("status", one.state.status)
            and _name_matches(filters, one)
            and _id_matches(filters, one)
            and filters.match_labels(one.config.labels)
            and _network_matches(filters, one)
            and _volume_matches(filters, one)
            and all(each(one) for each in tests)
        )

    return matches


def status_given(filters: Filters) -> bool:
    """Whether the filters speak of containers that do not run: ``ps`` then shows those without ``-a``."""
    return bool(filters.values_of("status"))


def prune_candidates(registry: Registry, filters: Filters) -> Iterator[Container]:
    """The stopped containers a prune removes."""
    filters.validate(_PRUNE_FILTERS)
    until = prune_until(filters)
    for one in registry:
        if one.state.status not in (CREATED, EXITED, DEAD) or (until is not None and one.created > until):
            continue
        if filters.match_labels(one.config.labels) and not filters.refuses_labels(one.config.labels):
            yield one


def prune_until(filters: Filters) -> int | None:
    """The ``until`` of a prune in nanoseconds; ``InvalidParameter`` for more than one, or for no time."""
    given = filters.values_of("until")
    if not given:
        return None
    if len(given) > 1:
        raise InvalidParameter("more than one until filter specified")
    try:
        return times.parse_timestamp(given[0], time.time_ns())
    except ValueError as error:
        raise InvalidParameter(str(error)) from None


def _integer(filters: Filters, name: str, value: str) -> int:
    if not re.fullmatch(r"-?\d{1,9}", value):
        raise InvalidParameter(f"invalid filter '{name}={value}': strconv.Atoi: parsing \"{value}\": invalid syntax")
    return int(value)


def _no_choice(name: str, what: str, value: str, choices: tuple[str, ...]) -> InvalidParameter:
    return InvalidParameter(
        f"invalid filter '{name}={value}': invalid value for {what} ({value}): must be one of {', '.join(choices)}"
    )


def _relative(other: Container, newer: bool) -> Test:
    return lambda one: one.created > other.created if newer else one.created < other.created


def _health_name(found: Health | None) -> str:
    return health.NONE if found is None else found.status


def _name_matches(filters: Filters, one: Container) -> bool:
    try:
        return filters.matches("name", one.name, f"/{one.name}")
    except InvalidParameter:
        # No regular expression: as in Docker, nothing is called so.
        return False


def _id_matches(filters: Filters, one: Container) -> bool:
    wanted = filters.values_of("id")
    return not wanted or any(one.id.startswith(value) for value in wanted)


def _network_matches(filters: Filters, one: Container) -> bool:
    wanted = filters.values_of("network")
    if not wanted:
        return True
    known = set(one.endpoints) | {settings.network_id for settings in one.endpoints.values()}
    return any(value in known for value in wanted)


def _volume_matches(filters: Filters, one: Container) -> bool:
    wanted = filters.values_of("volume")
    if not wanted:
        return True
    known = {place for mount in one.mounts for place in (mount.point.name, mount.point.source, mount.point.destination)}
    return any(value in known for value in wanted)


def _port_range(kind: str, text: str) -> tuple[int, int, str]:
    numbers, _, proto = text.partition("/")
    first, dash, last = numbers.partition("-")
    for number in (first, last) if dash else (first,):
        if not number.isdecimal() or int(number) > _LAST_PORT:
            problem = "value out of range" if number.isdecimal() else "invalid syntax"
            raise InvalidParameter(
                f'error while looking up for {kind} {text}: strconv.ParseUint: parsing "{number}": {problem}'
            )
    return int(first), int(last) if dash else int(first), proto or "tcp"


def _ports_test(kind: str, ranges: list[tuple[int, int, str]]) -> Test:
    def has(one: Container) -> bool:
        found: set[tuple[int, str]] = set()
        for port in one.config.exposed_ports or {} if kind == "expose" else {}:
            number, _, proto = port.partition("/")
            if number.isdecimal():
                found.add((int(number), proto or "tcp"))
        for port, bindings in one.ports.items():
            proto = port.partition("/")[2]
            if kind == "publish":
                found.update((int(binding.host_port or 0), proto) for binding in bindings)
        return any(low <= number <= high and proto == wanted for number, proto in found for low, high, wanted in ranges)

    return has
