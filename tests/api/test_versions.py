"""Version prefixes, negotiation, and what every answer carries."""

import pytest

from havre import __version__
from tests.api.talk import Client
from tests.fakes.engine import FakeEngine

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(autouse=True)
def version_answers(engine: FakeEngine) -> None:
    engine.answer("system.version", {"Version": __version__})


@pytest.mark.parametrize("prefix", ["", "/v1.24", "/v1.30", "/v1.51", "/v1.55"])
async def test_versions_in_range(client: Client, prefix: str) -> None:
    answer = await client.get(f"{prefix}/version")
    assert answer.status == 200
    assert answer.json() == {"Version": __version__}


@pytest.mark.parametrize("version", ["1.56", "1.60", "2.0", "1.55.1", "999999999999999.0"])
async def test_too_new(client: Client, version: str) -> None:
    answer = await client.get(f"/v{version}/version")
    assert answer.status == 400
    assert answer.message() == f"client version {version} is too new. Maximum supported API version is 1.55"


@pytest.mark.parametrize("version", ["1.23", "1.0", "0.9", "1"])
async def test_too_old_is_told_in_plain_text(client: Client, version: str) -> None:
    """Clients that old print the body as it is."""
    answer = await client.get(f"/v{version}/version")
    assert answer.status == 400
    assert answer.body.decode() == (
        f"client version {version} is too old. Minimum supported API version is 1.24, "
        "please upgrade your client to a newer version\n"
    )


async def test_every_answer_has_the_headers(client: Client) -> None:
    for path in ("/version", "/v1.24/version", "/v1.20/version", "/nothing", "/swarm"):
        headers = (await client.get(path)).headers
        assert headers["api-version"] == "1.55"
        assert headers["docker-experimental"] == "false"
        assert headers["ostype"] == "linux"
        assert headers["server"] == f"Docker/{__version__} (linux)"


@pytest.mark.parametrize("path", ["/_ping", "/v1.51/_ping", "/v1.24/_ping"])
async def test_ping(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache, no-store, must-revalidate"
    assert answer.headers["pragma"] == "no-cache"
    assert answer.headers["builder-version"] == "1"
    assert answer.headers["swarm"] == "inactive"


async def test_ping_by_head_has_no_body(client: Client) -> None:
    answer = await client.call("HEAD", "/_ping")
    assert answer.status == 200
    assert answer.headers["content-length"] == "0"
    assert answer.headers["api-version"] == "1.55"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nothing"),
        ("GET", "/v1.51/nothing"),
        ("GET", "/v9.99/nothing"),
        ("PUT", "/containers/json"),
        ("HEAD", "/version"),
        ("GET", "/containers/create"),
        ("PATCH", "/v1.51/containers/x"),
    ],
)
async def test_unknown_paths_and_methods(client: Client, method: str, path: str) -> None:
    answer = await client.call(method, path)
    assert answer.status == 404
    if method != "HEAD":
        assert answer.message() == "page not found"


async def test_options_is_answered_everywhere(client: Client) -> None:
    answer = await client.call("OPTIONS", "/containers/json")
    assert (answer.status, answer.body) == (200, b"")


async def test_routes_know_the_version_they_came_with(client: Client) -> None:
    answer = await client.post("/v1.24/containers/prune")
    assert answer.status == 400
    assert answer.message() == "POST /containers/prune requires minimum API version 1.25"


async def test_json_ends_in_a_newline(client: Client) -> None:
    """Go's encoder puts it there, and clients that read lines wait for it."""
    assert (await client.get("/version")).body.endswith(b"}\n")
