"""Truth values as Go reads them."""

import pytest

from havre.lib.booleans import parse_bool


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", True),
        ("T", True),
        ("True", True),
        ("0", False),
        ("FALSE", False),
        ("f", False),
        ("yes", None),
        ("", None),
        ("tRUE", None),
    ],
)
def test_parse(text: str, value: bool | None) -> None:
    assert parse_bool(text) is value
