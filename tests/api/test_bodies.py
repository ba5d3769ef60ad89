"""What comes in: queries, content types, JSON as Go's decoder takes it."""

from typing import Any

import pytest

from havre.engine.container.create import Created
from havre.wire.containers import PortBinding
from tests.api.talk import Client, Wire
from tests.fakes.engine import FakeEngine

CREATE = "/containers/create"


@pytest.fixture(autouse=True)
def creates(engine: FakeEngine) -> None:
    engine.answer("create.create", Created("c" * 64, ("careful",)))


async def created(client: Client, engine: FakeEngine, body: Any) -> dict[str, Any]:
    """The arguments the engine got for ``body``."""
    answer = await client.post(CREATE, body)
    assert answer.status == 201, answer
    return engine.asked("create.create")[-1]


async def test_create_answers_id_and_warnings(client: Client, engine: FakeEngine) -> None:
    answer = await client.post(CREATE, {"Image": "busybox"}, name="mine", platform="linux/arm64")
    assert (answer.status, answer.json()) == (201, {"Id": "c" * 64, "Warnings": ["careful"]})
    arguments = engine.asked("create.create")[0]
    assert (arguments["name"], arguments["platform"]) == ("mine", "linux/arm64")
    assert arguments["config"].image == "busybox"
    assert arguments["host"].network_mode == "bridge"


async def test_the_three_parts_of_a_create_body(client: Client, engine: FakeEngine) -> None:
    arguments = await created(
        client,
        engine,
        {
            "Image": "busybox",
            "Cmd": "echo hello",
            "Entrypoint": ["/bin/sh", "-c"],
            "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {"Memory": 1 << 30, "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}},
            "NetworkingConfig": {"EndpointsConfig": {"bridge": {"Aliases": ["a"]}}},
        },
    )
    config, host = arguments["config"], arguments["host"]
    assert config.cmd == "echo hello" and config.entrypoint == ["/bin/sh", "-c"]
    assert host.memory == 1 << 30 and host.port_bindings["80/tcp"][0].host_port == "8080"
    assert arguments["networking"].endpoints_config["bridge"].aliases == ["a"]


async def test_keys_match_whatever_their_case(client: Client, engine: FakeEngine) -> None:
    arguments = await created(client, engine, {"image": "busybox", "hostconfig": {"autoremove": True}})
    assert arguments["config"].image == "busybox"
    assert arguments["host"].auto_remove is True


async def test_null_means_the_default(client: Client, engine: FakeEngine) -> None:
    """docker-py sends null for everything it was not given."""
    arguments = await created(
        client,
        engine,
        {
            "Image": "busybox",
            "Hostname": None,
            "Env": None,
            "Labels": {"a": None},
            "ExposedPorts": {"80/tcp": None},
            "Volumes": {"/data": None},
            "HostConfig": {"Memory": None, "RestartPolicy": None, "PortBindings": {"80/tcp": [None]}},
            "NetworkingConfig": None,
        },
    )
    config, host = arguments["config"], arguments["host"]
    assert config.hostname == "" and config.env is None
    assert config.labels == {"a": ""} and config.exposed_ports == {"80/tcp": {}} and config.volumes == {"/data": {}}
    assert host.memory == 0 and host.restart_policy.name == "" and host.port_bindings == {"80/tcp": [PortBinding()]}


async def test_unknown_keys_are_skipped(client: Client, engine: FakeEngine) -> None:
    arguments = await created(client, engine, {"Image": "busybox", "Future": {"x": 1}})
    assert arguments["config"].image == "busybox"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"Image": 7}, "invalid JSON: cannot unmarshal number into field Image of type str"),
        (
            {"HostConfig": {"Memory": "1g"}},
            "invalid JSON: cannot unmarshal string into field HostConfig.Memory of type int",
        ),
        (
            {"HostConfig": {"Binds": "/a:/b"}},
            "invalid JSON: cannot unmarshal string into field HostConfig.Binds of type array | null",
        ),
        ({"Env": [1]}, "invalid JSON: cannot unmarshal number into field Env[0] of type str"),
        ({"HostConfig": []}, "invalid JSON: cannot unmarshal array into field HostConfig of type object"),
        ([], "invalid JSON: cannot unmarshal array into the request body of type object"),
    ],
)
async def test_wrong_types_name_the_field(client: Client, body: Any, text: str) -> None:
    answer = await client.post(CREATE, body)
    assert answer.status == 400
    assert answer.message() == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "invalid JSON: got EOF while reading request body"),
        (b"   ", "invalid JSON: got EOF while reading request body"),
        (b'{"Image":', "invalid JSON: got EOF while reading request body"),
        (b'{"Image": "a"} {"Image": "b"}', "unexpected content after JSON"),
    ],
)
async def test_broken_json(client: Client, body: bytes, text: str) -> None:
    answer = await client.call("POST", CREATE, body=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.message()) == (400, text)


async def test_malformed_json(client: Client) -> None:
    answer = await client.call("POST", CREATE, body=b"{nonsense}", headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert answer.message().startswith("invalid JSON: ")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_another_content_type(client: Client, kind: str) -> None:
    answer = await client.call("POST", CREATE, body=b"{}", headers={"Content-Type": kind})
    assert answer.status == 400
    assert answer.message() == f"unsupported Content-Type header ({kind}): must be 'application/json'"


async def test_no_content_type(client: Client) -> None:
    answer = await client.call("POST", CREATE, body=b"{}")
    assert (answer.status, answer.message()) == (400, "malformed Content-Type header (): mime: no media type")


async def test_content_type_with_charset(client: Client) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = await client.call("POST", CREATE, body=b'{"Image":"busybox"}', headers=headers)
    assert answer.status == 201


async def test_no_body_is_fine_where_it_is_optional(client: Client, engine: FakeEngine) -> None:
    engine.answer("volumes.create", {"Name": "x"})
    assert (await client.post("/volumes/create")).status == 201
    assert engine.asked("volumes.create") == [{"name": None, "driver": "", "opts": {}, "labels": {}}]


async def test_chunked_bodies(client: Client, engine: FakeEngine) -> None:
    wire = await Wire.open(client.path)
    wire.request("POST", CREATE, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
    wire.send(b'4\r\n{"Im\r\n')
    wire.send(b'10\r\nage": "busybox"}\r\n0\r\n\r\n')
    assert (await wire.answer()).status == 201
    assert engine.asked("create.create")[0]["config"].image == "busybox"
    await wire.close()


async def test_a_body_that_waits_to_be_asked_for(client: Client) -> None:
    """curl does that from 1 MB on."""
    wire = await Wire.open(client.path)
    body = b'{"Image":"busybox"}'
    headers = {"Content-Type": "application/json", "Expect": "100-continue", "Content-Length": str(len(body))}
    wire.request("POST", CREATE, headers)
    assert (await wire.head())[:2] == (100, "Continue")
    wire.send(body)
    assert (await wire.answer()).status == 201
    await wire.close()


async def test_bodies_have_a_limit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("havre.api.call.MAX_JSON", 1000)
    answer = await client.post(CREATE, {"Image": "x" * 2000})
    assert (answer.status, answer.message()) == (413, "request body is larger than 1000 bytes")


@pytest.mark.parametrize("value", ["1", "true", "True", "yes", "on", "2", "anything"])
async def test_true_in_a_query(client: Client, engine: FakeEngine, value: str) -> None:
    engine.answer("listing.list", [])
    await client.get("/containers/json", all=value)
    assert engine.asked("listing.list")[0]["all"] is True


@pytest.mark.parametrize("value", ["", "0", "no", "No", "false", "FALSE", "none", " 0 "])
async def test_false_in_a_query(client: Client, engine: FakeEngine, value: str) -> None:
    engine.answer("listing.list", [])
    await client.get("/containers/json", all=value)
    assert engine.asked("listing.list")[0]["all"] is False


async def test_numbers_in_a_query(client: Client, engine: FakeEngine) -> None:
    engine.answer("listing.list", [])
    await client.get("/containers/json", limit="-1")
    assert engine.asked("listing.list")[0]["limit"] == -1
    answer = await client.post("/containers/x/stop", t="soon")
    assert (answer.status, answer.message()) == (
        400,
        'invalid value for t: strconv.Atoi: parsing "soon": invalid syntax',
    )


async def test_filters_in_both_forms(client: Client, engine: FakeEngine) -> None:
    engine.answer("listing.list", [])
    for text in ('{"label":["a=b"]}', '{"label":{"a=b":true,"c":false}}'):
        await client.get("/containers/json", filters=text)
        assert engine.asked("listing.list")[-1]["filters"].values_of("label") == ("a=b",)
    answer = await client.get("/containers/json", filters="nonsense")
    assert (answer.status, answer.message()) == (400, "invalid filter")
