"""Which of the repositories found are shown."""

import pytest

from havre.engine.searching import Searching
from havre.errors import InvalidParameter, SystemFault, Unavailable
from havre.image.remote.auth import Auth
from havre.image.remote.failures import RemoteFailure
from havre.image.remote.search import Result
from havre.wire.filters import Filters


class Found:
    """A registry's answers."""

    def __init__(self, *results: Result, failure: RemoteFailure | None = None) -> None:
        self.results = list(results)
        self.failure = failure
        self.asked: list[tuple[str, str, int]] = []

    async def find(self, domain: str, words: str, limit: int, auth: Auth | None) -> list[Result]:
        self.asked.append((domain, words, limit))
        if self.failure:
            raise self.failure
        return self.results


RESULTS = (Result("a", "text", 5, True), Result("b", None, 3, False))


async def names(*, limit: int = 0, **filters: tuple[str, ...]) -> list[str]:
    given = Filters({name.replace("_", "-"): values for name, values in filters.items()})
    found = await Searching(Found(*RESULTS)).search("x", limit, given, None)  # type: ignore[arg-type]
    return [one["name"] for one in found]


async def test_the_answer() -> None:
    registry = Found(*RESULTS)
    found = await Searching(registry).search("r:5000/x", 3, Filters(), None)  # type: ignore[arg-type]
    assert found[0] == {
        "star_count": 5,
        "is_official": True,
        "name": "a",
        "is_automated": False,
        "description": "text",
    }
    assert found[1]["description"] == "" and registry.asked == [("r:5000", "x", 3)]


async def test_filters() -> None:
    assert await names() == ["a", "b"]
    assert await names(is_official=("true",)) == ["a"]
    assert await names(is_official=("false",)) == ["b"]
    assert await names(stars=("3", "4")) == ["a"]
    assert await names(is_automated=("true",)) == []
    assert await names(is_automated=("false",)) == ["a", "b"]


@pytest.mark.parametrize(
    ("filters", "limit", "text"),
    [
        ({"nonsense": ("1",)}, 0, "invalid filter 'nonsense'"),
        ({"stars": ("many",)}, 0, "invalid filter 'stars=\\[many\\]'"),
        ({"is_official": ("maybe",)}, 0, "invalid filter 'is-official"),
        ({}, 101, r"limit 101 is outside the range of \[1, 100\]"),
        ({}, -1, r"limit -1 is outside"),
    ],
)
async def test_what_is_refused(filters: dict[str, tuple[str, ...]], limit: int, text: str) -> None:
    with pytest.raises(InvalidParameter, match=text):
        await names(limit=limit, **filters)


async def test_failures() -> None:
    for transient, kind in ((True, Unavailable), (False, SystemFault)):
        registry = Found(failure=RemoteFailure("Unexpected status code 500", transient=transient))
        with pytest.raises(kind, match="Unexpected status code 500"):
            await Searching(registry).search("x", 0, Filters(), None)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match="should not have a scheme"):
        await Searching(Found()).search("https://x/y", 0, Filters(), None)  # type: ignore[arg-type]
