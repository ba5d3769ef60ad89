"""Credentials and challenges, read from what clients and registries really send."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.image.remote.auth import Auth, auth_from_json, decode_auth


def header(config: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(config).encode()).decode()


def test_docker_cli_credentials_are_read() -> None:
    text = header({"username": "me", "password": "pa:ss?>~", "serveraddress": "https://index.docker.io/v1/"})
    assert decode_auth(text) == Auth("me", "pa:ss?>~", server_address="https://index.docker.io/v1/")


def test_padding_and_alphabet_do_not_matter() -> None:
    data = json.dumps({"username": "me", "password": "~~~???>>>"}).encode()
    for text in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        assert decode_auth(text.decode().rstrip("=")) == Auth("me", "~~~???>>>")


def test_tokens_are_read() -> None:
    assert decode_auth(header({"identitytoken": "refresh"})) == Auth(identity_token="refresh")
    assert decode_auth(header({"registrytoken": "bearer"})) == Auth(registry_token="bearer")


def test_the_old_auth_field_is_read() -> None:
    assert decode_auth(header({"auth": base64.b64encode(b"me:a:b").decode()})) == Auth("me", "a:b")


@pytest.mark.parametrize("text", [None, "", header({}), header(None), header({"username": "me"}), "%%%", "bm8=", "🐳"])
def test_what_holds_no_credentials_is_none(text: str | None) -> None:
    assert decode_auth(text) is None


def test_a_login_body_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError):
        auth_from_json(b"[]")


def test_secrets_are_not_in_the_repr() -> None:
    assert "secret" not in repr(Auth("me", "secret", "secret", "secret"))


@given(st.text(max_size=60))
def test_no_credentials_break_the_decoder(text: str) -> None:
    decode_auth(text)
