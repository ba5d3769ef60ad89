"""What clients send to say who they are is read, or refused, whatever it is."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.registry.access import credentials, scopes
from havre.registry.access.credentials import Bearer, Password


def basic(pair: bytes) -> str:
    return f"Basic {base64.b64encode(pair).decode()}"


def test_what_is_read() -> None:
    assert credentials.read(None) is None and credentials.read("") is None
    assert credentials.read(basic(b"alice:a:b")) == Password("alice", "a:b")
    assert credentials.read(basic("é:ü".encode()).replace("Basic", "BASIC")) == Password("é", "ü")
    assert credentials.read(basic(b":")) == Password("", "")
    assert credentials.read("bearer  a.b.c ") == Bearer("a.b.c")


@pytest.mark.parametrize(
    "header", ["Basic", "Basic ", "Basic !!", basic(b"alice"), basic(b"\xff:x"), "Negotiate x", "x" * 99]
)
def test_what_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        credentials.read(header)


@given(
    st.one_of(st.text(), st.text().map("Basic {}".format), st.binary().map(basic), st.text().map("Bearer {}".format))
)
def test_nothing_else_happens(header: str) -> None:
    for text in (header, header.encode(errors="replace").decode("ascii", "surrogateescape")):
        with contextlib.suppress(ValueError):
            assert isinstance(credentials.read(text), Password | Bearer | None)


@given(st.lists(st.text(st.sampled_from('repository:/()*,pul \t"é'), max_size=40), max_size=5))
def test_scopes_read_back(words: list[str]) -> None:
    with contextlib.suppress(ValueError):
        found = scopes.parse(words)
        assert scopes.parse([str(scope) for scope in found]) == found
        access = scopes.from_claim(scopes.to_claim(found))
        assert all(scopes.covers(access, scope.kind, scope.name, action) for scope in found for action in scope.actions)
