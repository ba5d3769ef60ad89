"""The table of endpoints is complete, and what is not there says so by name."""

import json
import re
from pathlib import Path

import pytest

from havre.api import routes
from havre.api.router import Router
from tests.api.talk import Client
from tests.fakes.engine import FakeEngine

NO_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
    "to connect this node to swarm and try again."
)


def test_every_operation_of_the_api_has_a_route(spec: Path) -> None:
    operations = json.loads((spec / "docker-api" / "endpoints.json").read_text())["operations"]
    router = Router(routes.ALL)
    missing = []
    for operation in operations:
        since = operation["since"].removeprefix("<=")
        if tuple(map(int, since.split("."))) > (1, 51):
            continue
        path = re.sub(r"\{\w+\}", "word", operation["path"])
        if router.find(operation["method"], path) is None:
            missing.append(f"{operation['method']} {operation['path']}")
    assert not missing


def test_routes_have_the_minimum_versions_of_dockerd(spec: Path) -> None:
    documented = json.loads((spec / "docker-api" / "endpoints.json").read_text())["meta"]
    for version, patterns in documented["route_minimum_enforced_by_dockerd"].items():
        since = tuple(map(int, version.split(".")))
        if since > (1, 51):
            continue
        for pattern in patterns:
            wanted = re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\{name\}", ".*") + "$")
            for route in routes.ALL:
                if wanted.match(route.path) or wanted.match(f"{route.method} {route.path}"):
                    assert route.since >= since, route


@pytest.mark.parametrize(
    "route",
    [route for route in routes.SWARM if route.handler is routes.NO_SWARM],
    ids=lambda route: f"{route.method} {route.path}",
)
async def test_swarm_is_answered_as_outside_of_one(client: Client, route: object) -> None:
    method, path = route.method, route.path.replace("{name}", "x")  # type: ignore[attr-defined]
    answer = await client.call(method, path)
    assert (answer.status, answer.message()) == (503, NO_SWARM)


async def test_leaving_no_swarm(client: Client) -> None:
    answer = await client.post("/swarm/leave")
    assert (answer.status, answer.message()) == (503, "This node is not part of a swarm")


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("POST", "/swarm/init", "docker swarm init"),
        ("POST", "/plugins/pull", "plugins"),
    ],
)
async def test_what_is_not_there_is_named(client: Client, method: str, path: str, what: str) -> None:
    answer = await client.call(method, path)
    assert (answer.status, answer.message()) == (501, f"havre does not implement {what} yet")


@pytest.mark.parametrize("path", ["/session", "/grpc"])
async def test_buildkits_protocol_needs_a_connection_of_its_own(client: Client, path: str) -> None:
    answer = await client.post(path)
    assert (answer.status, answer.message()) == (400, "no upgrade proto in request")


async def test_a_host_without_plugins(client: Client) -> None:
    assert (await client.get("/plugins")).json() == []
    answer = await client.get("/plugins/x/json")
    assert (answer.status, answer.message()) == (404, 'plugin "x" not found')


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/images/busybox/json", "busybox"),
        ("/images/localhost:5000/a/b:tag/json", "localhost:5000/a/b:tag"),
        ("/images/localhost%3A5000%2Fa%2Fb%3Atag/json", "localhost:5000/a/b:tag"),
        ("/images/json/json", "json"),
        ("/v1.51/images/a@sha256:00/json", "a@sha256:00"),
    ],
)
async def test_names_of_images_have_slashes(client: Client, engine: FakeEngine, path: str, name: str) -> None:
    engine.answer("images.inspect", {"Id": "sha256:0", "RepoTags": [], "RepoDigests": [], "Size": 1, "Config": {}})
    assert (await client.get(path)).status == 200
    assert next(iter(engine.calls[0][1].values())) == name
