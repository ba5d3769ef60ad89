"""JSON laid out as Go lays it out, whatever is in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.cli.gojson import compact, indented

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.sampled_from([None, 2]))
def test_the_meaning_stays(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert json.loads(compact(text)) == value
    assert json.loads(indented(text)) == value
    assert indented(compact(indented(text))) == indented(compact(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{}", "{}"),
        ("[ ]", "[]"),
        ('{"a":[{},[]]}', '{\n\t"a": [\n\t\t{},\n\t\t[]\n\t]\n}'),
        ('{ "a" : 1.0e5 ,\n"b":"\\u003c{:,}"}', '{\n\t"a": 1.0e5,\n\t"b": "\\u003c{:,}"\n}'),
    ],
)
def test_layout(text: str, shown: str) -> None:
    assert indented(text) == shown


def test_what_is_code_to_a_browser_is_escaped() -> None:
    assert compact('{ "<a>" : "&" }') == '{"\\u003ca\\u003e":"\\u0026"}'
