"""From a request line to a route."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.api import routes
from havre.api.router import Route, Router, check_version, get, split_version
from havre.errors import InvalidParameter

ROUTER = Router(routes.ALL)


async def handler(call: Any) -> Any:
    """Never called."""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1.43/info", ("1.43", "/info")),
        ("/info", (None, "/info")),
        ("/v1.43", (None, "/v1.43")),
        ("/v/info", (None, "/v/info")),
        ("/version", (None, "/version")),
        ("/v1.43/v1.44/info", ("1.43", "/v1.44/info")),
    ],
)
def test_version_in_front(path: str, expected: tuple[str | None, str]) -> None:
    assert split_version(path) == expected


@pytest.mark.parametrize(
    ("method", "path", "template", "names"),
    [
        ("GET", "/containers/json", "/containers/json", {}),
        ("GET", "/containers/abc/json", "/containers/{name}/json", {"name": "abc"}),
        ("GET", "/containers/json/json", "/containers/{name}/json", {"name": "json"}),
        ("POST", "/containers/create", "/containers/create", {}),
        ("DELETE", "/containers/abc", "/containers/{name}", {"name": "abc"}),
        ("DELETE", "/containers/a/checkpoints/b", "/containers/{name}/checkpoints/{checkpoint}", {}),
        ("GET", "/containers/a/attach/ws", "/containers/{name}/attach/ws", {"name": "a"}),
        ("GET", "/images/a/b/c:d/history", "/images/{name}/history", {"name": "a/b/c:d"}),
        ("GET", "/images/get", "/images/get", {}),
        ("GET", "/networks/", "/networks/", {}),
        ("DELETE", "/images/a/b", "/images/{name}", {"name": "a/b"}),
    ],
)
def test_find(method: str, path: str, template: str, names: dict[str, str]) -> None:
    found = ROUTER.find(method, path)
    assert found is not None
    assert found[0].path == template
    assert names.items() <= found[1].items()


def test_the_table_has_no_two_of_a_kind() -> None:
    keys = [(route.method, route.path) for route in routes.ALL]
    assert len(keys) == len(set(keys))


def test_no_route_hides_another() -> None:
    for route in routes.ALL:
        found = ROUTER.find(route.method, route.path.replace("{name}", "n").replace("{checkpoint}", "c"))
        assert found is not None and found[0] is route


@given(st.text(max_size=40))
def test_find_never_fails(path: str) -> None:
    ROUTER.find("GET", f"/{path}")
    split_version(f"/{path}")


@pytest.mark.parametrize("given", ["1.24", "1.55", "01.55", "1.24.0"])
def test_versions_in_range(given: str) -> None:
    assert check_version(given, get("/x", handler))[:2] in ((1, 24), (1, 55))


@pytest.mark.parametrize("given", ["1.23", "1.56", "0", "....", "2", "9" * 5000])
def test_versions_out_of_range(given: str) -> None:
    with pytest.raises(InvalidParameter, match="client version"):
        check_version(given, get("/x", handler))


def test_routes_that_came_later() -> None:
    route = Route("GET", "/x", handler, since=(1, 30))
    assert check_version("1.30", route) == (1, 30)
    with pytest.raises(InvalidParameter, match=r"GET /x requires minimum API version 1\.30"):
        check_version("1.29", route)
