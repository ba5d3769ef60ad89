"""What a real engine answers, held against the definitions of API 1.51, operation by operation."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.schema import Schemas, load
from tests.system.harness import Engine

Ask = Callable[..., Any]


@pytest.fixture
def schemas(spec: Path) -> Schemas:
    return load(spec)


@pytest.fixture
def ask(engine: Engine, schemas: Schemas) -> Ask:
    """One request; its answer must be as defined. Names in the path are given as keywords, the template is checked."""

    def send(
        method: str, template: str, body: Any = None, *, status: int = 200, query: Any = None, **names: str
    ) -> Any:
        answer = engine.api(method, template.format(**names), body, **(query or {}))
        assert answer.status == status, answer
        document = json.loads(answer.body) if answer.headers.get("Content-Type") == "application/json" else None
        assert schemas.errors(method, template, status, document) == []
        return document

    return send


@pytest.fixture
def container(ask: Ask) -> str:
    """A running container that uses much of what create offers."""
    body = {
        "Image": "busybox",
        "Cmd": ["sleep", "1000"],
        "Labels": {"a": "b"},
        "Volumes": {"/data": {}},
        "ExposedPorts": {"80/tcp": {}, "81/udp": {}},
        "HostConfig": {
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1"}]},
            "Binds": ["/tmp:/host:ro"],
            "Tmpfs": {"/run": ""},
            "Memory": 64 << 20,
        },
    }
    made: str = ask("POST", "/containers/create", body, status=201, query={"name": "schema"})["Id"]
    ask("GET", "/containers/{id}/json", id=made)
    ask("POST", "/containers/{id}/start", status=204, id=made)
    return made


def test_the_engine(ask: Ask) -> None:
    for path in ("/version", "/info", "/plugins", "/system/df"):
        ask("GET", path)


def test_containers(ask: Ask, container: str) -> None:
    ask("GET", "/containers/{id}/json", query={"size": "1"}, id=container)
    ask("GET", "/containers/json", query={"all": "1", "size": "1"})
    ask("GET", "/containers/{id}/top", id=container)
    ask("GET", "/system/df")
    ask("POST", "/containers/{id}/start", status=304, id=container)
    ask("POST", "/containers/{id}/pause", status=204, id=container)
    ask("GET", "/containers/{id}/json", id=container)
    ask("POST", "/containers/{id}/unpause", status=204, id=container)
    ask("POST", "/containers/{id}/rename", status=204, query={"name": "renamed"}, id=container)
    ask("POST", "/containers/{id}/stop", status=204, query={"t": "0"}, id=container)
    ask("POST", "/containers/{id}/wait", id=container)
    ask("GET", "/containers/{id}/json", id=container)
    ask("DELETE", "/containers/{id}", status=204, query={"v": "1"}, id=container)
    ask("DELETE", "/containers/{id}", status=404, id=container)
    ask("POST", "/containers/prune")


def test_execs(ask: Ask, container: str) -> None:
    made = ask("POST", "/containers/{id}/exec", {"Cmd": ["true"]}, status=201, id=container)["Id"]
    ask("GET", "/exec/{id}/json", id=made)
    ask("POST", "/exec/{id}/start", {"Detach": True}, id=made)
    ask("GET", "/exec/{id}/json", id=made)
    ask("GET", "/exec/{id}/json", status=404, id="nothing")


def test_images(ask: Ask) -> None:
    ask("GET", "/images/json", query={"all": "1", "shared-size": "1"})
    ask("GET", "/images/{name}/json", name="busybox")
    ask("GET", "/images/{name}/history", name="busybox")
    ask("POST", "/images/{name}/tag", status=201, query={"repo": "schema/test", "tag": "1"}, name="busybox")
    ask("DELETE", "/images/{name}", name="schema/test:1")
    ask("GET", "/images/{name}/json", status=404, name="nothing")
    ask("POST", "/images/prune")


def test_networks(ask: Ask, container: str) -> None:
    ask("GET", "/networks")
    ask("GET", "/networks/{id}", id="bridge")
    ask("GET", "/networks/{id}", status=404, id="nothing")
    ask("DELETE", "/networks/{id}", status=403, id="bridge")
    ask("POST", "/networks/prune")


def test_volumes(ask: Ask, container: str) -> None:
    ask("POST", "/volumes/create", {"Name": "schema", "Labels": {"a": "b"}}, status=201)
    ask("GET", "/volumes")
    ask("GET", "/volumes/{name}", name="schema")
    ask("DELETE", "/volumes/{name}", status=204, name="schema")
    ask("DELETE", "/volumes/{name}", status=404, name="schema")
    ask("POST", "/volumes/prune")


def test_events(engine: Engine, schemas: Schemas, container: str) -> None:
    answer = engine.api("GET", "/events", since="1", until=str(int(time.time()) + 1))
    events = [json.loads(line) for line in answer.body.splitlines()]
    assert {event["Action"] for event in events if event["Actor"]["ID"] == container} >= {"create", "start"}
    assert [schemas.definition_errors("EventMessage", event) for event in events] == [[]] * len(events)
