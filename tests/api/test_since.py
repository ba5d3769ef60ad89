"""What a request says counts since some version of the API: one version earlier it is not even looked at."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from havre.api import routes
from havre.errors import NotFound
from havre.wire.versions import MIN, parse
from tests.api.talk import Client
from tests.fakes.engine import FakeEngine

ARM = quote('{"os":"linux","architecture":"arm64"}')


@pytest.mark.parametrize(
    ("since", "method", "path", "body", "verb", "argument", "before", "then"),
    [
        ("1.30", "POST", "/containers/x/wait?condition=removed", None, "lifecycle.wait", "condition", "not-running",
         "removed"),
        ("1.31", "GET", "/networks/x?scope=swarm", None, "networks.inspect", "scope", "", "swarm"),
        ("1.32", "POST", "/images/create?fromImage=a&platform=b", None, "images.pull", "platform", None, "b"),
        ("1.35", "GET", "/containers/x/logs?stdout=1&until=2", None, "logs.open", "options.until_ns", None, 2 * 10**9),
        ("1.41", "POST", "/containers/create?platform=b", {"Image": "a"}, "create.create", "platform", None, "b"),
        ("1.42", "POST", "/containers/x/stop?signal=INT", None, "lifecycle.stop", "signal", None, "INT"),
        ("1.42", "POST", "/containers/x/restart?signal=INT", None, "lifecycle.restart", "signal", None, "INT"),
        ("1.42", "POST", "/containers/create", {"Image": "a", "HostConfig": {"ConsoleSize": [1, 2]}}, "create.create",
         "host.console_size", None, [1, 2]),
        ("1.42", "POST", "/containers/x/exec", {"Cmd": ["a"], "ConsoleSize": [1, 2]}, "execs.create",
         "config.console_size", None, [1, 2]),
        ("1.42", "POST", "/exec/x/start", {"Tty": True, "ConsoleSize": [1, 2]}, "execs.prepare_start",
         "start.console_size", None, [1, 2]),
        ("1.42", "GET", "/images/json?shared-size=1", None, "images.list", "shared_size", False, True),
        ("1.42", "GET", "/system/df?type=volume", None, "system.disk_usage", "types",
         frozenset(("container", "image", "volume", "build-cache")), frozenset(("volume",))),
        ("1.43", "POST", "/containers/create", {"Image": "a", "HostConfig": {"Annotations": {"a": "b"}}},
         "create.create", "host.annotations", None, {"a": "b"}),
        ("1.44", "POST", "/containers/create", {"Image": "a", "Healthcheck": {"StartInterval": 9}}, "create.create",
         "config.healthcheck.start_interval", 0, 9),
        ("1.47", "GET", "/images/json?manifests=1", None, "images.list", "manifests", False, True),
        ("1.48", "GET", f"/images/x/get?platform={ARM}", None, "images.save", "platforms", [], ["linux/arm64"]),
        ("1.48", "GET", f"/images/x/history?platform={ARM}", None, "images.history", "platform", None, "linux/arm64"),
        ("1.48", "GET", "/images/x/json?manifests=1", None, "images.inspect", "manifests", False, True),
        ("1.49", "GET", f"/images/x/json?platform={ARM}", None, "images.inspect", "platform", None, "linux/arm64"),
        ("1.50", "DELETE", f"/images/x?platforms={ARM}", None, "images.remove", "platforms", [], ["linux/arm64"]),
    ],
)  # fmt: skip
async def test_what_counts(
    client: Client,
    engine: FakeEngine,
    since: str,
    method: str,
    path: str,
    body: Any,
    verb: str,
    argument: str,
    before: Any,
    then: Any,
) -> None:
    # Asking is all: what the engine would answer does not matter.
    engine.fail(verb, NotFound("it is not there"))
    major, minor = parse(since)
    for version, expected in ((f"{major}.{minor - 1}", before), (since, then)):
        answer = await client.call(method, f"/v{version}{path}", body)
        assert answer.status == 404, answer
        name, *inner = argument.split(".")
        given = engine.asked(verb)[-1][name]
        for word in inner:
            given = getattr(given, word)
        assert given == expected, version


@pytest.mark.parametrize(
    ("since", "method", "path", "before", "then", "words"),
    [
        ("1.54", "GET", "/images/json?identity=1", 200, 400, "identity requires manifests=1"),
        ("1.55", "GET", "/images/x/attestations", 400, 501, "attestations"),
    ],
)
async def test_what_is_said_since(
    client: Client, engine: FakeEngine, since: str, method: str, path: str, before: int, then: int, words: str
) -> None:
    engine.answer("images.list", [])
    engine.answer("images.inspect", {})
    major, minor = parse(since)
    assert (await client.call(method, f"/v{major}.{minor - 1}{path}")).status == before
    answer = await client.call(method, f"/v{since}{path}")
    assert answer.status == then and words in answer.message()


def test_routes_came_with_the_version_dockerd_demands(spec: Path) -> None:
    facts = json.loads((spec / "docker-api" / "endpoints.json").read_text())
    demanded: dict[str, str] = {}
    for version, names in facts["meta"]["route_minimum_enforced_by_dockerd"].items():
        demanded |= dict.fromkeys(names, version)
    for route in routes.ALL:
        words = (f"{route.method} {route.path}", route.path, f"/{route.path.split('/')[1]}*")
        words += ("*/prune",) if route.path.endswith("/prune") and "build" not in route.path else ()
        version = next((demanded[word] for word in words if word in demanded), MIN)
        if route.path == "/tasks/{name}/logs":
            continue  # it came with the logs of services, where no older client asks for it
        assert route.since == parse(version), route.path


def test_every_operation_has_a_route(spec: Path) -> None:
    facts = json.loads((spec / "docker-api" / "endpoints.json").read_text())
    routed = {(route.method, route.path.replace("{checkpoint}", "{name}")) for route in routes.ALL}
    for operation in facts["operations"]:
        path = operation["path"].replace("{id}", "{name}")
        assert (operation["method"], path) in routed, operation["path"]
