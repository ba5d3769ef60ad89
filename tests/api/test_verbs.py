"""Each endpoint asks the engine for the right verb with the right words."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.api.talk import Client
from tests.fakes.engine import FakeEngine


@dataclass
class Steps:
    """A trace as the engine gives it."""

    steps: list[tuple[str, float, float]] = field(default_factory=list)


@pytest.mark.parametrize(
    ("method", "path", "verb", "arguments"),
    [
        ("POST", "/containers/x/stop", "lifecycle.stop", ["x", None, None, False]),
        ("POST", "/containers/x/stop?t=3&signal=INT", "lifecycle.stop", ["x", "INT", 3, False]),
        ("POST", "/v1.41/containers/x/stop?t=3&signal=INT", "lifecycle.stop", ["x", None, 3, False]),
        ("POST", "/containers/x/restart?t=-1", "lifecycle.restart", ["x", None, -1]),
        ("POST", "/containers/x/kill?signal=HUP", "lifecycle.kill", ["x", "HUP"]),
        ("POST", "/containers/x/kill", "lifecycle.kill", ["x", None]),
        ("POST", "/containers/x/pause", "lifecycle.pause", ["x"]),
        ("POST", "/containers/x/unpause", "lifecycle.unpause", ["x"]),
        ("POST", "/containers/x/rename?name=y", "lifecycle.rename", ["x", "y"]),
        ("DELETE", "/containers/x?force=1&v=true", "removal.remove", ["x", True, True, False]),
        ("DELETE", "/containers/x?link=1", "removal.remove", ["x", False, False, True]),
        ("DELETE", "/volumes/v?force=1", "volumes.remove", ["v", True]),
        ("DELETE", "/networks/n", "networks.remove", ["n"]),
    ],
)
async def test_verbs_without_an_answer(
    client: Client, engine: FakeEngine, method: str, path: str, verb: str, arguments: list[Any]
) -> None:
    answer = await client.call(method, path)
    assert (answer.status, answer.body) == (204, b"")
    name, got = engine.calls[0]
    assert (name, list(got.values())) == (verb, arguments)


async def test_start_tells_its_steps(client: Client, engine: FakeEngine) -> None:
    engine.answer("lifecycle.start", Steps([("mounts", 0.5, 1.25)]))
    answer = await client.post("/containers/x/start")
    assert answer.status == 204
    assert answer.headers["x-havre-trace"] == '[["mounts",0.5,1.25]]'


async def test_start_takes_no_host_config(client: Client, engine: FakeEngine) -> None:
    answer = await client.post("/containers/x/start", {"Binds": ["/:/host"]})
    assert answer.status == 400
    assert "non-empty request body was deprecated" in answer.message()
    assert not engine.calls
    engine.answer("lifecycle.start", Steps())
    assert (await client.post("/containers/x/start", {})).status == 204


@pytest.mark.parametrize(
    ("path", "verb", "arguments"),
    [
        ("/containers/x/resize?h=24&w=80", "lifecycle.resize", ["x", 24, 80]),
        ("/exec/e/resize?h=24&w=80", "execs.resize", ["e", 24, 80]),
    ],
)
async def test_resize(client: Client, engine: FakeEngine, path: str, verb: str, arguments: list[Any]) -> None:
    assert (await client.post(path)).status == 200
    assert (engine.calls[0][0], list(engine.calls[0][1].values())) == (verb, arguments)


@pytest.mark.parametrize("query", ["", "?h=24", "?h=-1&w=80", "?h=24&w=x", "?h=99999999999&w=1"])
async def test_resize_wants_two_numbers(client: Client, engine: FakeEngine, query: str) -> None:
    answer = await client.post(f"/containers/x/resize{query}")
    assert answer.status == 400 and answer.message().startswith("invalid resize ")
    assert not engine.calls


async def test_questions_and_their_answers(client: Client, engine: FakeEngine) -> None:
    for path, verb in {
        "/containers/json?all=1&size=1&limit=2": "listing.list",
        "/containers/x/json?size=1": "listing.inspect",
        "/containers/x/top?ps_args=aux": "processes.top",
        "/exec/e/json": "execs.inspect",
        "/images/x/history": "images.history",
        "/networks": "networks.list",
        "/networks/bridge": "networks.inspect",
        "/volumes": "volumes.list",
        "/volumes/v": "volumes.inspect",
        "/version": "system.version",
        "/info": "system.info",
    }.items():
        engine.answer(verb, {"from": verb})
        answer = await client.get(path)
        assert (answer.status, answer.json()) == (200, {"from": verb})
    listed, inspected = engine.asked("listing.list")[0], engine.asked("listing.inspect")[0]
    assert listed["all"] is True and listed["size"] is True and listed["limit"] == 2
    assert inspected["size"] is True


async def test_prunes(client: Client, engine: FakeEngine) -> None:
    for path, verb in {
        "/containers/prune": "removal.prune",
        "/images/prune": "images.prune",
        "/networks/prune": "networks.prune",
        "/volumes/prune": "volumes.prune",
    }.items():
        engine.answer(verb, {"SpaceReclaimed": 1})
        answer = await client.post(path, filters='{"label":{"a":true}}')
        assert (answer.status, answer.json()) == (200, {"SpaceReclaimed": 1})
        assert engine.asked(verb)[0]["filters"].values_of("label") == ("a",)


async def test_old_clients_prune_all_volumes(client: Client, engine: FakeEngine) -> None:
    engine.answer("volumes.prune", {})
    await client.post("/v1.41/volumes/prune")
    assert engine.asked("volumes.prune")[0]["filters"].flag("all") is True


async def test_update_passes_the_body_on(client: Client, engine: FakeEngine) -> None:
    engine.answer("update.update", {"Warnings": []})
    answer = await client.post("/v1.39/containers/x/update", {"Memory": 1, "PidsLimit": 5})
    assert answer.json() == {"Warnings": []}
    asked = engine.asked("update.update")[0]["asked"]
    assert (asked.memory, asked.pids_limit) == (1, None)


async def test_exec_create(client: Client, engine: FakeEngine) -> None:
    engine.answer("execs.create", "e" * 64)
    answer = await client.post("/containers/x/exec", {"Cmd": ["true"], "Tty": True, "ConsoleSize": [24, 80]})
    assert (answer.status, answer.json()) == (201, {"Id": "e" * 64})
    await client.post("/v1.41/containers/x/exec", {"Cmd": ["true"], "ConsoleSize": [24, 80]})
    sizes = [asked["config"].console_size for asked in engine.asked("execs.create")]
    assert sizes == [[24, 80], None]
    answer = await client.post("/containers/x/exec", {"Cmd": []})
    assert (answer.status, answer.message()) == (400, "No exec command specified")


async def test_images_list_and_remove(client: Client, engine: FakeEngine) -> None:
    engine.answer("images.list", [])
    engine.answer("images.remove", [{"Untagged": "x:latest"}])
    await client.get("/images/json", **{"all": "1", "shared-size": "1", "digests": "1", "manifests": "1"})
    await client.get("/v1.24/images/json", **{"filter": "busy*", "shared-size": "1", "manifests": "1"})
    new, old = engine.asked("images.list")
    assert new["all"] and new["shared_size"] and new["digests"] and new["manifests"]
    assert old["filters"].values_of("reference") == ("busy*",) and not old["shared_size"] and not old["manifests"]
    answer = await client.delete("/images/x?force=1&noprune=1")
    assert answer.json() == [{"Untagged": "x:latest"}]
    assert list(engine.asked("images.remove")[0].values()) == ["x", True, True, []]


async def test_tag(client: Client, engine: FakeEngine) -> None:
    answer = await client.post("/images/a/tag", repo="b/c", tag="1")
    assert (answer.status, answer.body) == (201, b"")
    assert list(engine.asked("images.tag")[0].values()) == ["a", "b/c", "1"]


async def test_disk_usage_by_type(client: Client, engine: FakeEngine) -> None:
    engine.answer("system.disk_usage", {})
    await client.get("/system/df")
    await client.get("/system/df?type=container&type=volume")
    await client.get("/v1.41/system/df?type=container")
    types = [asked["types"] for asked in engine.asked("system.disk_usage")]
    everything = {"container", "image", "volume", "build-cache"}
    assert types == [everything, {"container", "volume"}, everything]
    answer = await client.get("/system/df?type=nonsense")
    assert (answer.status, answer.message()) == (400, "unknown object type: nonsense")


async def test_auth(client: Client, engine: FakeEngine) -> None:
    engine.answer("system.login", {"Status": "Login Succeeded", "IdentityToken": ""})
    answer = await client.post("/auth", {"username": "u", "password": "p", "serveraddress": "localhost:5000"})
    assert answer.json() == {"Status": "Login Succeeded", "IdentityToken": ""}
    auth = engine.asked("system.login")[0]["auth"]
    assert (auth.username, auth.password, auth.server_address) == ("u", "p", "localhost:5000")
