"""From errors to statuses: one table, one shape."""

import errno
import logging

import pytest

from havre import errors
from tests.api.talk import Client
from tests.fakes.engine import FakeEngine


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidParameter("bad"), 400),
        (errors.Unauthorized("log in"), 401),
        (errors.Forbidden("no"), 403),
        (errors.NotFound("No such container: x"), 404),
        (errors.Conflict("in use"), 409),
        (errors.Unsupported("not yet"), 501),
        (errors.Unavailable("later"), 503),
        (errors.SystemFault("broken"), 500),
        (errors.StartFailed("not found", 127), 400),
        (errors.StartFailed("not executable", 126), 400),
        (errors.StartFailed("no idea", 128), 500),
        (errors.HavreError("anything"), 500),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_table(client: Client, engine: FakeEngine, error: errors.HavreError, status: int) -> None:
    engine.fail("lifecycle.start", error)
    answer = await client.post("/containers/x/start")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"message": error.message}


async def test_not_modified_has_no_body(client: Client, engine: FakeEngine) -> None:
    engine.fail("lifecycle.start", errors.NotModified("it runs"))
    answer = await client.post("/containers/x/start")
    assert (answer.status, answer.body) == (304, b"")
    # The connection stays usable: nothing is left over on it.
    assert (await client.post("/containers/x/start")).status == 304


async def test_accidents_are_told_and_logged(
    client: Client, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.fail("lifecycle.start", ZeroDivisionError("oops"))
    with caplog.at_level(logging.ERROR):
        answer = await client.post("/containers/x/start")
    assert (answer.status, answer.message()) == (500, "internal error: ZeroDivisionError: oops")
    assert "POST /containers/x/start failed" in caplog.text and "Traceback" in caplog.text


async def test_a_full_disk_is_told_as_such(client: Client, engine: FakeEngine) -> None:
    engine.fail("lifecycle.start", OSError(errno.ENOSPC, "No space left on device", "/a/path/of/the/host"))
    answer = await client.post("/containers/x/start")
    assert (answer.status, answer.message()) == (500, "no space left on device")


async def test_what_is_no_http_gets_a_json_error(client: Client) -> None:
    from tests.api.talk import Wire

    wire = await Wire.open(client.path)
    wire.send(b"this is no HTTP\r\n\r\n")
    answer = await wire.answer()
    assert answer.status == 400
    assert answer.message()
    await wire.close()
