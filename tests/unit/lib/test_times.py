"""Times and durations: Go's forms both ways, Docker's since/until, and the words for "how long"."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.lib import times

S = times.SECOND


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000 * S + 500_000_000, "2023-11-14T22:13:20.5Z"),
        (1_700_000_000 * S + 1, "2023-11-14T22:13:20.000000001Z"),
        (times.ZERO, "0001-01-01T00:00:00Z"),
        (951_782_400 * S, "2000-02-29T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_rfc3339_both_ways(ns: int, text: str) -> None:
    assert times.rfc3339nano(ns) == text
    assert times.parse_rfc3339(text) == ns


@given(st.integers(min_value=times.ZERO, max_value=253_402_300_799 * S))
def test_rfc3339_round_trip(ns: int) -> None:
    assert times.parse_rfc3339(times.rfc3339nano(ns)) == ns


def test_parse_rfc3339_with_a_zone() -> None:
    assert times.parse_rfc3339("2023-11-14T23:13:20.25+01:00") == 1_700_000_000 * S + S // 4
    assert times.parse_rfc3339("2023-11-14T16:43:20-05:30") == 1_700_000_000 * S


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2023-11-14",
        "2023-11-14T22:13:20",
        "2023-13-14T22:13:20Z",
        "2023-02-29T00:00:00Z",
        "2023-11-14T24:00:00Z",
        "x",
    ],
)
def test_parse_rfc3339_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        times.parse_rfc3339(text)


@pytest.mark.usefixtures("berlin")
def test_local_forms() -> None:
    winter = 1_700_000_000 * S + 5
    assert times.rfc3339_local(winter) == "2023-11-14T23:13:20+01:00"
    assert times.rfc3339_local(winter, fraction=True) == "2023-11-14T23:13:20.000000005+01:00"
    assert times.go_string(winter) == "2023-11-14 23:13:20.000000005 +0100 CET"
    assert times.go_string(winter, utc=True) == "2023-11-14 22:13:20.000000005 +0000 UTC"
    assert times.ansic(1_699_000_000 * S) == "Fri Nov  3 08:26:40 2023"


NOW = 1_700_000_000 * S


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("1600000000", 1_600_000_000 * S),
        ("1600000000.5", 1_600_000_000 * S + S // 2),
        ("1600000000.000000001", 1_600_000_000 * S + 1),
        ("10", 10 * S),
        ("10m", NOW - 600 * S),
        ("1h30m", NOW - 5400 * S),
        ("-10m", NOW + 600 * S),
        ("2023-11-14", 1_699_916_400 * S),
        ("2023-11-14Z", 1_699_920_000 * S),
        ("2023-11-14+02:00", 1_699_912_800 * S),
        ("2023-11-14T22", 1_699_995_600 * S),
        ("2023-11-14T22:13", 1_699_996_380 * S),
        ("2023-11-14T22:13:20", 1_699_996_400 * S),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13Z", NOW - 20 * S),
        ("2023-11-14T22:13:20.25-01:00", NOW + 3600 * S + S // 4),
    ],
)
def test_since_and_until(text: str, ns: int) -> None:
    assert times.parse_timestamp(text, NOW) == ns


@pytest.mark.parametrize("text", ["", "now", "12:00", "1.2.3", "1.x", "2023-1x-01", "٣"])
def test_since_and_until_refuse(text: str) -> None:
    with pytest.raises(ValueError):
        times.parse_timestamp(text, NOW)


def test_the_text_for_a_wrong_since() -> None:
    with pytest.raises(ValueError, match=r'^failed to parse value as time or duration: "soon"$'):
        times.parse_timestamp("soon", NOW)


@given(st.text())
def test_timestamps_know_only_value_errors(text: str) -> None:
    try:
        times.parse_timestamp(text, NOW)
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("1ns", 1),
        ("1us", 1000),
        ("1µs", 1000),
        ("1.5ms", 1_500_000),
        (".5s", S // 2),
        ("1.s", S),
        ("1h2m3s", 3723 * S),
        ("-1h", -3600 * S),
        ("+1h", 3600 * S),
    ],
)
def test_go_durations(text: str, ns: int) -> None:
    assert times.parse_go_duration(text) == ns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        ("s", 'time: invalid duration "s"'),
        ("1", 'time: missing unit in duration "1"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1.2.3s", 'time: missing unit in duration "1.2.3s"'),
        ("9999999999h", 'time: invalid duration "9999999999h"'),
    ],
)
def test_go_duration_errors(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        times.parse_go_duration(text)
    assert str(caught.value) == message


HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Less than a second"),
        (0.9, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (HOUR, "About an hour"),
        (1.4 * HOUR, "About an hour"),
        (1.6 * HOUR, "2 hours"),
        (47 * HOUR, "47 hours"),
        (2 * DAY, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
    ],
)
def test_human_duration(seconds: float, text: str) -> None:
    assert times.human_duration(seconds) == text


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (300_000_000, "300ms"),
        (1_000_000_000, "1s"),
        (90_000_000_000, "1m30s"),
        (3_602_500_000_000, "1h0m2.5s"),
        (-1_000_000, "-1ms"),
    ],
)
def test_go_duration(ns: int, text: str) -> None:
    assert times.go_duration(ns) == text
    assert times.parse_go_duration(text) == ns
