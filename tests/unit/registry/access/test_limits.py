"""Budgets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.errors import InvalidParameter
from havre.registry.access.guessing import Guessing
from havre.registry.access.limits import Rate, RateLimit, parse_rate


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "rate"),
    [("20/s", Rate(20, 1)), ("600/1m", Rate(600, 60)), ("100/6h", Rate(100, 21600)), ("1/2d", Rate(1, 172800))],
)
def test_rates(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "10", "0/s", "1/0s", "-1/s", "1/s ", "1/y", "1.5/s"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid rate"):
        parse_rate(text)


def test_a_budget_is_used_up_and_fills_evenly() -> None:
    clock = Clock()
    limit = RateLimit(Rate(3, 30), clock)
    assert [limit.take("a").remaining for _ in range(3)] == [2, 1, 0]
    refused = limit.take("a")
    assert not refused.allowed and refused.retry_after == pytest.approx(10)
    assert limit.take("b").allowed
    clock.now += 10
    assert limit.take("a").allowed
    assert not limit.take("a").allowed
    clock.now += 1000
    assert limit.take("a").remaining == 2


@given(st.integers(1, 20), st.integers(1, 100), st.lists(st.floats(0, 50), max_size=60))
def test_never_more_than_twice_the_budget_in_a_window(count: int, window: int, pauses: list[float]) -> None:
    clock = Clock()
    limit = RateLimit(Rate(count, window), clock)
    allowed: list[float] = []
    for pause in pauses:
        clock.now += pause
        before = limit.wait_for("a")
        verdict = limit.take("a")
        assert verdict.allowed == (before <= 1e-6)
        assert 0 <= verdict.remaining < count
        if verdict.allowed:
            allowed.append(clock.now)
    for start in allowed:
        assert sum(start <= moment < start + window for moment in allowed) <= 2 * count


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("havre.registry.access.limits._MOST_KEYS", 3)
    limit = RateLimit(Rate(1, 60), Clock())
    for key in "abcd":
        limit.take(key)
    assert limit.take("a").allowed, "the oldest was forgotten"
    assert not limit.take("d").allowed


def test_guessing_is_slowed_for_the_name_and_the_address_but_not_for_others() -> None:
    clock = Clock()
    guessing = Guessing(clock)
    for _time in range(5):
        assert guessing.wait("10.0.0.1", "alice") == 0
        guessing.failed("10.0.0.1", "alice")
    assert guessing.wait("10.0.0.1", "alice") == 12
    assert guessing.wait("10.0.0.1", "bob") == 0
    assert guessing.wait("10.0.0.2", "alice") == 0, "nobody is locked out from elsewhere"
    for number in range(25):
        guessing.failed("10.0.0.1", f"name{number}")
    assert guessing.wait("10.0.0.1", "bob") > 0
    clock.now += 300
    assert guessing.wait("10.0.0.1", "alice") == 0
