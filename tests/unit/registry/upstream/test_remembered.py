"""Things that are believed for a while."""

from havre.registry.upstream.remembered import Remembered


def test_a_value_is_there_until_its_time_is_over() -> None:
    now = [0.0]
    remembered: Remembered[str | None] = Remembered(lambda: now[0])
    remembered.put(("app", "v1"), None, 10)
    assert remembered.get(("app", "v1")) == (None,)
    assert remembered.get(("app", "v2")) is None
    now[0] = 9.9
    assert remembered.get(("app", "v1")) == (None,)
    now[0] = 10.0
    assert remembered.get(("app", "v1")) is None


def test_there_are_never_too_many() -> None:
    remembered: Remembered[int] = Remembered(most=3)
    for number in (1, 2, 3, 1, 4):
        remembered.put(("app", str(number)), number, 10)
    assert [remembered.get(("app", str(number))) for number in (1, 2, 3, 4)] == [(1,), None, (3,), (4,)]
