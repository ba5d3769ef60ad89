"""What dockerd says, word for word, of a verb that is not possible. All of it runs against dockerd too."""

import pytest

from tests.system.harness import Engine


def make(engine: Engine, name: str, *command: str) -> None:
    body = {"Image": "busybox", "Cmd": list(command), "HostConfig": {"NetworkMode": "none"}}
    assert engine.api("POST", "/containers/create", body, name=name).status == 201


def refused(engine: Engine, path: str, **query: str) -> str:
    answer = engine.api("POST", f"/containers/{path}", **query)
    assert answer.status >= 400, answer
    text: str = answer.json()["message"]
    return text


def test_signals(engine: Engine) -> None:
    make(engine, "box", "sleep", "1000")
    engine.api("POST", "/containers/box/start")
    for signal in ("FOO", "0", "9" * 20):
        assert refused(engine, "box/kill", signal=signal) == f"cannot kill container: box: invalid signal: {signal}"
    for signal in ("99", "65", "-1"):
        words = f"cannot kill container: box: the linux daemon does not support signal {signal}"
        assert refused(engine, "box/kill", signal=signal) == words
    assert refused(engine, "box/stop", signal="FOO") == "cannot stop container: box: invalid signal: FOO"
    assert refused(engine, "box/restart", signal="FOO") == "Cannot restart container box: invalid signal: FOO"
    assert refused(engine, "none/kill") == "cannot kill container: none: No such container: none"
    assert refused(engine, "none/restart") == "No such container: none"


def test_a_program_that_is_not_there(engine: Engine) -> None:
    make(engine, "box", "/none")
    text = refused(engine, "box/restart")
    assert text.startswith("Cannot restart container box: failed to create task for container: "), text
    assert text.endswith('exec: "/none": stat /none: no such file or directory'), text
    assert refused(engine, "box/start").startswith("failed to create task for container: ")


@pytest.mark.parametrize("name", ["bad name", "-x", "a"])
def test_names(engine: Engine, name: str) -> None:
    make(engine, "box", "true")
    rule = f"Invalid container name (/{name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    assert refused(engine, "box/rename", name=name) == f"Error when allocating new name: {rule}"


@pytest.mark.parametrize("what", ["containers", "images", "networks"])
def test_prunes(engine: Engine, what: str) -> None:
    for until, words in (
        (["x"], 'failed to parse value as time or duration: "x"'),
        (["1m", "2m"], "more than one until filter specified"),
    ):
        answer = engine.api("POST", f"/{what}/prune", filters={"until": until})
        assert (answer.status >= 400, answer.json()["message"]) == (True, words)


@pytest.mark.parametrize("body", [{}, {"HostConfig": {}}, {"Nonsense": 1}])
def test_nothing_to_be_made(engine: Engine, body: dict[str, object]) -> None:
    answer = engine.api("POST", "/containers/create", body)
    assert (answer.status, answer.json()["message"]) == (400, "config cannot be empty in order to create a container")
