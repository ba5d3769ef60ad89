"""What registries answer, in the words dockerd has for it; and how often a failure is worth another try."""

import pytest

from havre.errors import Forbidden, HavreError, NotFound, SystemFault, Unavailable
from havre.image.remote.failures import RemoteFailure, from_response, translated
from havre.image.remote.retry import RetryPolicy, persistently
from havre.lib.challenges import Challenge
from havre.lib.references import parse

BUSYBOX = parse("busybox:nope")


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (
            404,
            b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"},{"code":"X"}]}',
            NotFound,
            "manifest for busybox:nope not found: manifest unknown: manifest unknown",
        ),
        (
            404,
            b'{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}',
            NotFound,
            "repository busybox not found: name unknown: repository name not known to registry",
        ),
        (
            403,
            b"",
            NotFound,
            "pull access denied for busybox, repository does not exist or may require 'docker login': "
            "denied: requested access to the resource is denied",
        ),
        (
            401,
            b'{"details":"incorrect username or password"}',
            Forbidden,
            "unauthorized: incorrect username or password",
        ),
        (429, b"slow down", Unavailable, "toomanyrequests: too many requests"),
        (502, b"bad gateway", Unavailable, "received unexpected HTTP status: 502 Bad Gateway: bad gateway"),
        (404, b"<html>", NotFound, "received unexpected HTTP status: 404 Not Found: <html>"),
        (799, b"", Unavailable, "received unexpected HTTP status: 799 unknown status"),
        (400, b"", SystemFault, "received unexpected HTTP status: 400 Bad Request"),
    ],
)
def test_translations(status: int, body: bytes, kind: type[HavreError], text: str) -> None:
    error = translated(from_response(status, body), BUSYBOX)
    assert (type(error), error.message) == (kind, text)


def test_the_bearer_challenge_tells_more_than_the_body() -> None:
    body = b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
    told = Challenge("bearer", {"error": "insufficient_scope", "error_description": "not yours"})
    assert from_response(401, body, (told,)).text == "denied: not yours"
    assert from_response(401, body, (Challenge("bearer", {"error": "invalid_token"}),)).code == "unauthorized"
    assert (
        from_response(401, body, (Challenge("bearer", {"error": "?"}),)).text == "unauthorized: authentication required"
    )


def test_pauses_grow_and_end() -> None:
    policy = RetryPolicy(attempts=5, first=1.0, longest=3.0)
    failure = RemoteFailure("", transient=True)
    pauses = [policy.pause(attempt, failure) for attempt in range(1, 6)]
    for pause, middle in zip(pauses[:4], (1.0, 2.0, 3.0, 3.0), strict=True):
        assert pause is not None and middle * 0.75 <= pause <= middle * 1.25
    assert pauses[4] is None
    assert policy.pause(1, RemoteFailure("")) is None


def test_a_registry_s_wish_is_granted_if_it_is_modest() -> None:
    policy = RetryPolicy(patience=60.0)
    assert policy.pause(1, RemoteFailure("", transient=True, retry_after=60.0)) == 60.0
    assert policy.pause(1, RemoteFailure("", transient=True, retry_after=61.0)) is None


async def test_persistence() -> None:
    calls = 0

    async def work() -> int:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise RemoteFailure("", transient=True)
        return calls

    policy = RetryPolicy(attempts=3, first=0.001)
    assert await persistently(policy, work) == 3
    calls = -9
    with pytest.raises(RemoteFailure):
        await persistently(policy, work)
    assert calls == -6
