"""Manifests of a registry that means no good, or is just broken: words, no traceback."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes import registry_faults as faults
from tests.fakes.registry import OCI_INDEX, OCI_MANIFEST, FakeRegistry, layer_tar, serving_aside

from havre.cli.errors import CommandError
from havre.cli.manifests import fetch
from havre.client.registry import Registry
from havre.errors import HavreError
from havre.lib.references import parse

SECRETS = {"username": "me", "password": "secret"}


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with serving_aside() as server:
        yield server


def get(server: FakeRegistry, name: str = "app", **credentials: str) -> Any:
    reference = parse(f"{server.host}/{name}")
    return fetch(Registry(reference.domain, credentials, insecure=True), reference)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xff\xfe", OCI_MANIFEST),
        (b"[]", OCI_MANIFEST),
        (b"{}", OCI_MANIFEST),
        (b'{"config": {"digest": "sha256:x"}}', OCI_MANIFEST),
        (b'{"config": 1, "layers": 2}', OCI_MANIFEST),
        (b'{"manifests": [1]}', OCI_INDEX),
        (b'{"manifests": 7}', OCI_INDEX),
        (b'{"manifests": [{"digest": "../../../x"}]}', OCI_INDEX),
        (b"[" * 100_000, OCI_INDEX),
    ],
)
def test_what_makes_no_sense(server: FakeRegistry, body: bytes, kind: str) -> None:
    server.add_manifest("app", "latest", body, kind)
    with pytest.raises(CommandError, match="invalid manifest of "):
        get(server)
    assert server.asked("x") == []


def test_lists_in_lists_and_other_things(server: FakeRegistry) -> None:
    inner = server.add_manifest("app", None, {"manifests": []}, OCI_INDEX)
    server.add_manifest("app", "latest", {"manifests": [{"digest": inner}]}, OCI_INDEX)
    with pytest.raises(CommandError, match=r"unsupported manifest type: application/vnd\.oci"):
        get(server)


def test_other_bytes_than_their_digest_says(server: FakeRegistry) -> None:
    image = server.add_image("app", "latest", layer_tar(("file", b"x")))
    server.fail(image.config, faults.corrupt())
    with pytest.raises(HavreError, match="verification failed for digest"):
        get(server)
    server.fail("/manifests/", faults.corrupt())
    with pytest.raises(HavreError, match="verification failed for digest"):
        get(server, f"app@{image.manifest}")
    server.fail("/manifests/", faults.replace_body(lambda body: body + b" " * (5 << 20)))
    with pytest.raises(HavreError, match="is larger than 4194304 bytes"):
        get(server)


def test_errors_in_the_registry_s_words(server: FakeRegistry) -> None:
    server.fail("/manifests/", faults.refuse(429, "TOOMANYREQUESTS", "You have reached your pull rate limit."))
    with pytest.raises(HavreError, match=r"toomanyrequests: You have reached your pull rate limit\."):
        get(server)
    server.fail("/manifests/", faults.cut(0))
    with pytest.raises(HavreError, match=r'Get "http://.*/v2/app/manifests/latest": '):
        get(server)


def test_secrets_stay_where_they_belong(server: FakeRegistry) -> None:
    image = server.add_image("app", "latest", layer_tar(("file", b"x")))
    server.credentials = ("me", "secret")
    with serving_aside() as storage:
        storage.blobs = server.blobs
        server.fail(image.config, faults.redirect(f"http://{storage.host}{{path}}"))
        assert get(server, **SECRETS).descriptor["digest"] == image.manifest
        assert [("Authorization" in seen.headers) for seen in storage.requests] == [False]


def test_a_realm_without_tls_gets_no_secrets_of_a_registry_that_has_it(server: FakeRegistry) -> None:
    server.ask_for_token()
    server.add_image("app", "latest", layer_tar(("file", b"x")))
    assert get(server, **SECRETS), "an insecure registry may have an insecure realm"
    registry = Registry(server.host, SECRETS)
    registry._bases = [f"http://{server.host}"]  # as if that were TLS: the address is all that counts here
    with pytest.raises(HavreError, match="without TLS: refused"):
        registry.manifest("app", "latest")


def test_an_image_without_layers_is_one(server: FakeRegistry) -> None:
    config = server.add_blob(json.dumps({"os": "linux", "architecture": "amd64"}).encode())
    document = {"mediaType": OCI_MANIFEST, "config": {"digest": config}, "layers": []}
    server.add_manifest("app", "latest", document)
    assert get(server).platform == {"architecture": "amd64", "os": "linux"}
