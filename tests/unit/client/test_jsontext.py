"""JSON without the json package: the same values, the same refusals."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.client import jsontext
from havre.client.jsontext import dumps, loads

Values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_this_interpreter_has_the_fast_way() -> None:
    assert jsontext._scan is not None


@given(Values)
def test_round_trip(value: object) -> None:
    assert loads(dumps(value)) == value
    assert json.loads(dumps(value)) == value
    assert loads(json.dumps(value, indent=2)) == value


@given(st.text(alphabet='{}[]",:0123456789.eE+-ntfalsrue \\u\n', max_size=30))
def test_text_is_read_or_refused_as_json_does(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(json.JSONDecodeError):
            loads(text)
    else:
        found = loads(text)
        assert found == expected or (isinstance(found, float) and math.isnan(found))


@pytest.mark.parametrize("text", ["", "  ", "{", '{"a" 1}', "[1,]", "1 2", '"\x01"', "nul"])
def test_malformed_text_is_a_valueerror(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        loads(text)


def test_bytes_and_what_stands_around() -> None:
    assert loads(b' \n{"a": "\xc3\xa9"}\r\n') == {"a": "é"}
    assert dumps({"a": [1, True, None, "é\n"], "b": {}, "c": []}) == '{"a":[1,true,null,"\\u00e9\\n"],"b":{},"c":[]}'


def test_keys_are_strings_and_values_plain() -> None:
    with pytest.raises(TypeError):
        dumps({1: 2})
    with pytest.raises(TypeError):
        dumps(object())
    with pytest.raises(ValueError, match="JSON compliant"):
        dumps(math.nan)
