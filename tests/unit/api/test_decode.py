"""JSON as Go's decoder takes it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.api import decode
from havre.errors import InvalidParameter
from havre.wire.containers import ContainerConfig, HostConfig, NetworkingConfig, Wire


class Inner(Wire):
    number: int = 0
    words: list[str] | None = None


class Outer(Wire):
    text: str = "default"
    flag: bool = False
    inner: Inner | None = None
    many: list[Inner] | None = None
    by_name: dict[str, Inner] | None = None
    lists: dict[str, list[Inner] | None] | None = None
    either: list[str] | str | None = None
    nested: list[list[str]] | None = None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def test_all_the_way_down() -> None:
    document = {
        "TEXT": "a",
        "inner": {"NUMBER": 1, "Words": ["x", None]},
        "Many": [{"number": 2}, {}],
        "ByName": {"Key": {"number": 3, "words": None}},
        "Lists": {"a": None, "b": [{"number": 4}]},
        "Either": "word",
        "Nested": [["a", None]],
    }
    made = decode.fit(document, Outer)
    assert made == Outer(
        text="a",
        inner=Inner(number=1, words=["x", ""]),
        many=[Inner(number=2), Inner()],
        by_name={"Key": Inner(number=3)},
        lists={"a": None, "b": [Inner(number=4)]},
        either="word",
        nested=[["a", ""]],
    )


def test_null_leaves_the_default() -> None:
    assert decode.fit(dict.fromkeys(("Text", "Flag", "Inner", "Many", "Either")), Outer) == Outer()


def test_an_exact_key_is_taken_like_any_other() -> None:
    assert decode.fit({"text": "a", "Text": "b"}, Outer).text == "b"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"Text": 1}, "cannot unmarshal number into field Text of type str"),
        ({"Inner": "x"}, "cannot unmarshal string into field Inner of type object | null"),
        ({"Inner": {"Number": "1"}}, "cannot unmarshal string into field Inner.Number of type int"),
        ({"Many": [{"Number": True}]}, "cannot unmarshal bool into field Many[0].Number of type int"),
        ("x", "cannot unmarshal string into the request body of type object"),
    ],
)
def test_errors_name_the_field(document: Any, text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        decode.fit(document, Outer)
    assert caught.value.message == f"invalid JSON: {text}"


def test_errors_name_the_part_of_the_body() -> None:
    with pytest.raises(InvalidParameter, match=r"field HostConfig\.Memory of type int"):
        decode.fit({"Memory": "x"}, HostConfig, "HostConfig")
    with pytest.raises(InvalidParameter, match="field HostConfig of type object"):
        decode.fit(7, HostConfig, "HostConfig")


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30, 10**4000])
def test_numbers_are_of_64_bits(number: int) -> None:
    with pytest.raises(InvalidParameter, match="cannot unmarshal number"):
        decode.fit({"number": number}, Inner)
    assert decode.fit({"number": 2**63 - 1, "unknown": number}, Inner) == Inner(number=2**63 - 1)


@given(JSON)
def test_nothing_but_clear_errors(document: Any) -> None:
    for kind in (Outer, ContainerConfig, HostConfig, NetworkingConfig):
        try:
            decode.fit(document, kind)
        except InvalidParameter as error:
            assert error.message.startswith("invalid JSON: ")


@given(st.binary())
def test_parse_of_anything(data: bytes) -> None:
    try:
        decode.parse(data)
    except InvalidParameter as error:
        assert error.message


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000])
def test_depth_is_bounded(text: bytes) -> None:
    with pytest.raises(InvalidParameter, match="invalid JSON"):
        decode.parse(text)


@given(JSON)
def test_parse_of_json(document: Any) -> None:
    assert decode.parse(json.dumps(document).encode()) == document


def test_what_inspect_gives_create_takes() -> None:
    """Clients copy containers by sending back what they were told."""
    for made in (ContainerConfig(image="x", cmd=["a"]), HostConfig(memory=5), NetworkingConfig()):
        assert decode.fit(msgspec.to_builtins(made), type(made)) == made
