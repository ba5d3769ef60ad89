"""The words lists share, and which format counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.cli.format import chosen, ellipsis, joined_labels
from havre.cli.format_containers import ports
from havre.cli.format_typed import Struct, Time, fields, typed
from havre.cli.format_types import TYPES
from havre.cli.table import width
from havre.lib.templates import Template


@pytest.mark.parametrize(
    ("given_format", "configured", "quiet", "answer"),
    [
        ("", "", False, "table"),
        ("", "", True, "{{.ID}}"),
        ("", "{{.Names}}", False, "{{.Names}}"),
        ("", "{{.Names}}", True, "{{.ID}}"),
        ("json", "{{.Names}}", False, "json"),
        ("json", "", True, "json"),
        ("table", "{{.Names}}", True, "{{.ID}}"),
    ],
)
def test_chosen(given_format: str, configured: str, quiet: bool, answer: str) -> None:
    assert chosen(given_format, configured, quiet) == answer


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("hello", 5, "hello"),
        ("hello!", 5, "hell…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
    ],
)
def test_ellipsis(text: str, most: int, cut: str) -> None:
    assert ellipsis(text, most) == cut


@given(st.text(st.characters(codec="utf-8")), st.integers(2, 30))
def test_ellipsis_fits(text: str, most: int) -> None:
    assert width(ellipsis(text, most)) <= most


def test_labels_are_sorted() -> None:
    assert joined_labels({"b": "1", "a": ""}) == "a=,b=1"
    assert joined_labels(None) == ""


def mapping(private: int, public: int = 0, address: str = "", protocol: str = "tcp") -> dict[str, object]:
    return {"PrivatePort": private, "PublicPort": public, "IP": address, "Type": protocol}


@pytest.mark.parametrize(
    ("mappings", "text"),
    [
        ([], ""),
        ([mapping(80)], "80/tcp"),
        ([mapping(81), mapping(80), mapping(83), mapping(82, protocol="udp")], "80-81/tcp, 83/tcp, 82/udp"),
        ([mapping(80, 80, "0.0.0.0"), mapping(81, 81, "0.0.0.0")], "0.0.0.0:80-81->80-81/tcp"),
        ([mapping(80, 8080, "127.0.0.1"), mapping(80, 8080, "::1")], "127.0.0.1:8080->80/tcp, [::1]:8080->80/tcp"),
        ([mapping(80, 8080, "0.0.0.0"), mapping(443)], "443/tcp, 0.0.0.0:8080->80/tcp"),
    ],
)
def test_ports(mappings: list[dict[str, object]], text: str) -> None:
    assert ports(mappings) == text


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_type_can_be_made_and_shown_from_nothing(name: str) -> None:
    empty = Struct(name, {})
    assert Template("{{.}}").execute(empty).startswith("{")
    for field in fields(name):
        Template(f"{{{{.{field}}}}}{{{{json .{field}}}}}{{{{if .{field}}}}}{{{{end}}}}").execute(empty)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_type_survives_a_wrong_shape(name: str) -> None:
    for wrong in (1, "x", [1], {"a": [None]}, None):
        source = {key: wrong for key, _, _ in fields(name).values()}
        Template("{{.}}{{json .}}").execute(typed(name, source))


def test_times_print_in_their_own_zone() -> None:
    assert Time("2025-01-02T03:04:05.5Z").text() == "2025-01-02 03:04:05.5 +0000 UTC"
    assert Time("2025-01-02T03:04:05+05:30").text() == "2025-01-02 03:04:05 +0530 +0530"
    assert Time("2025-01-02T03:04:05-11:00").text() == "2025-01-02 03:04:05 -1100 -1100"
    assert Time("").text() == "0001-01-01 00:00:00 +0000 UTC"
    assert Time("soon").text() == "soon"
