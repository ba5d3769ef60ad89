"""Inspect: JSON laid out without changing it, and what happens when there is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.daemon import FakeDaemon
from tests.unit.cli.conftest import Havre

from havre.cli.format_inspect import compact, indented

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_the_layout_changes_nothing_else(value: object, ascii_only: bool, indent: int | str | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert indented(text) == json.dumps(value, ensure_ascii=ascii_only, indent=4)
    assert compact(text) == json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))


def test_spelling_stays() -> None:
    text = '{"a":"\\u003c\\/","b":1.50,"c":1E5,"big":123456789012345678901234567890}'
    assert indented(text) == (
        '{\n    "a": "\\u003c\\/",\n    "b": 1.50,\n    "c": 1E5,\n    "big": 123456789012345678901234567890\n}'
    )


@given(st.text(alphabet='{}[],:"\\ab1 \n'))
def test_no_text_breaks_the_layout(text: str) -> None:
    indented(f"[{text}]")
    compact(text)


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"a":'])
def test_what_is_no_json_is_said(havre: Havre, daemon: FakeDaemon, body: bytes) -> None:
    daemon.on("GET", "/containers/c/json", body=body)
    done = havre("container", "inspect", "-f", "{{.Id}}", "c")
    assert done.code == 1
    assert done.err.startswith("unable to read inspect data: ")


def test_the_daemon_being_away_is_said_once(havre: Havre, daemon: FakeDaemon) -> None:
    done = havre("-H", "unix:///nowhere.sock", "inspect", "a", "b")
    assert (done.code, done.out) == (1, "")
    assert done.err.count("Cannot connect") == 1


def test_names_travel_quoted(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/images/localhost:5000/a/b:c/json", json={"Id": "x"})
    assert havre("image", "inspect", "-f", "{{.Id}}", "localhost:5000/a/b:c").out == "x\n"
    assert havre("inspect", "--type", "container", "a/../b?x").code == 1
    assert daemon.requests[-1].path == "/containers/a%2F..%2Fb%3Fx/json"


@pytest.mark.parametrize("argument", ["1", ".", ".Server", "nil", ".Client.Version", '"x"'])
def test_the_function_of_version_takes_components_only(havre: Havre, daemon: FakeDaemon, argument: str) -> None:
    daemon.on("GET", "/version", json={"Version": "1", "Components": []})
    done = havre("version", "-f", f"{{{{getDetailsOrder {argument}}}}}")
    assert done.code == 1
    assert done.err.endswith("error calling getDetailsOrder: expected a component\n")


def test_the_context_is_named(havre: Havre, daemon: FakeDaemon) -> None:
    daemon.on("GET", "/version", json={"Version": "1", "Components": []})
    assert havre("version", "-f", "{{.Client.Context}}").out == "default\n"
