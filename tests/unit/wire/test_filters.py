"""Docker's filters: both JSON forms, and the ways to match."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.errors import InvalidParameter
from havre.wire import filters
from havre.wire.filters import Filters

NAMES = st.dictionaries(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=3), max_size=4)


def test_nothing_gives_no_filters() -> None:
    assert filters.parse(None) == filters.parse("") == filters.parse("{}") == {}


def test_both_forms() -> None:
    assert filters.parse('{"label":["a","b"]}') == {"label": ("a", "b")}
    assert filters.parse('{"label":{"a":true,"b":true,"c":false}}') == {"label": ("a", "b")}


@given(NAMES)
def test_what_is_written_is_read(values: dict[str, list[str]]) -> None:
    assert filters.parse(filters.encode(values)) == {name: tuple(dict.fromkeys(all)) for name, all in values.items()}


@given(NAMES)
def test_the_older_form_is_read(values: dict[str, list[str]]) -> None:
    assert filters.parse(json.dumps(values)) == {name: tuple(dict.fromkeys(all)) for name, all in values.items()}


@pytest.mark.parametrize("text", ["nonsense", "[]", '"a"', '{"a":1}', '{"a":[1]}', '{"a":{"b":1}}', '{"a":"b"}'])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^invalid filter$"):
        filters.parse(text)


@given(st.text())
def test_parse_never_fails_otherwise(text: str) -> None:
    try:
        filters.parse(text)
    except InvalidParameter:
        pass


def test_unknown_names() -> None:
    chosen = Filters({"name": ["x"], "nonsense": ["y"]})
    with pytest.raises(InvalidParameter, match="invalid filter 'nonsense'"):
        chosen.validate(("name", "label"))
    chosen.validate(("name", "nonsense"))


@pytest.mark.parametrize(
    ("values", "expected"), [(["1"], True), (["true"], True), (["0"], False), (["false"], False), ([], False)]
)
def test_flag(values: list[str], expected: bool) -> None:
    assert Filters({"dangling": values}).flag("dangling") is expected


@pytest.mark.parametrize("values", [["yes"], ["1", "0"], ["True"]])
def test_flag_of_nonsense(values: list[str]) -> None:
    with pytest.raises(InvalidParameter, match=r"invalid filter 'dangling=\["):
        Filters({"dangling": values}).flag("dangling")


def test_flag_that_was_not_given() -> None:
    assert Filters().flag("all", default=True) is True


def test_exact_fuzzy_and_pattern() -> None:
    chosen = Filters({"name": ["web", "db"]})
    assert chosen.exact("name", "x", "web") and not chosen.exact("name", "webs")
    assert chosen.fuzzy("name", "webs") and not chosen.fuzzy("name", "aweb")
    assert chosen.matches("name", "a-webs") and not chosen.matches("name", "we-b")
    assert chosen.exact("other", "anything") and chosen.fuzzy("other", "") and chosen.matches("other")


def test_a_bad_pattern() -> None:
    with pytest.raises(InvalidParameter, match=r"invalid filter 'name=\[\(\]'"):
        Filters({"name": ["("]}).matches("name", "x")


@pytest.mark.parametrize(
    ("wanted", "labels", "expected"),
    [
        ([], None, True),
        (["a"], {"a": "1"}, True),
        (["a=1"], {"a": "1"}, True),
        (["a=2"], {"a": "1"}, False),
        (["a="], {"a": ""}, True),
        (["a="], {"a": "1"}, False),
        (["a", "b"], {"a": "1"}, False),
        (["a=b=c"], {"a": "b=c"}, True),
        (["a"], None, False),
    ],
)
def test_labels(wanted: list[str], labels: dict[str, str] | None, expected: bool) -> None:
    assert Filters({"label": wanted}).match_labels(labels) is expected


def test_labels_that_keep_from_pruning() -> None:
    assert Filters({"label!": ["keep"]}).refuses_labels({"keep": "1"})
    assert not Filters({"label!": ["keep"]}).refuses_labels({"other": "1"})
    assert not Filters().refuses_labels({"keep": "1"})


def test_one_more_value() -> None:
    chosen = Filters({"a": ["1"]})
    assert chosen.with_value("a", "2").with_value("b", "3") == {"a": ("1", "2"), "b": ("3",)}
    assert chosen == {"a": ("1",)}
