"""API versions: parsing and the choice of a common one."""

import pytest

from havre.wire.versions import CLIENT, MAX, MIN, negotiate, parse


@pytest.mark.parametrize(("text", "pair"), [("1.24", (1, 24)), ("1.9", (1, 9)), ("2.0", (2, 0)), ("1.100", (1, 100))])
def test_parse(text: str, pair: tuple[int, int]) -> None:
    assert parse(text) == pair


@pytest.mark.parametrize("text", ["", "1", "1.", ".5", "v1.24", "1.2.3", "1.-3", "1.٣", " 1.2", "1.99999"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="API version"):
        parse(text)


def test_the_older_of_the_newest_ones_wins() -> None:
    assert negotiate("1.51", "1.43") == "1.43"
    assert negotiate("1.9", "1.24") == "1.9"
    assert parse(MIN) < parse(CLIENT) <= parse(MAX)
