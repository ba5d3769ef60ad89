"""Sizes: the units, the rounding and the error texts of go-units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havre.lib.sizes import bytes_size, human_size, parse_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("32", 32),
        ("32b", 32),
        ("32B", 32),
        ("32k", 32 * 1024),
        ("32KB", 32 * 1024),
        ("32kib", 32 * 1024),
        ("32 KiB", 32 * 1024),
        ("512m", 512 << 20),
        ("1.5g", 3 << 29),
        (".5k", 512),
        ("2T", 2 << 40),
        ("1p", 1 << 50),
        ("1e3", 1000),
        ("99999999p", 2**63 - 1),
    ],
)
def test_parse(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid size: ''"),
        ("hello", "invalid size: 'hello'"),
        ("-1", "invalid size: '-1'"),
        ("32z", "invalid suffix: 'z'"),
        ("32mbb", "invalid suffix: 'mbb'"),
        ("32bb", "invalid suffix: 'bb'"),
        ("32kiba", "invalid suffix: 'kiba'"),
        (" 32m", 'strconv.ParseFloat: parsing " 32": invalid syntax'),
        ("32  m", 'strconv.ParseFloat: parsing "32 ": invalid syntax'),
        ("1_000", 'strconv.ParseFloat: parsing "1_000": invalid syntax'),
        ("1.2.3", 'strconv.ParseFloat: parsing "1.2.3": invalid syntax'),
    ],
)
def test_parse_errors(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_bytes(text)
    assert str(caught.value) == message


@given(st.text())
def test_parse_knows_only_value_errors(text: str) -> None:
    try:
        assert parse_bytes(text) >= 0
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (1234567, "1.235MB"),
        (10**12, "1TB"),
        (2.5e9, "2.5GB"),
        (999_960, "1000kB"),
    ],
)
def test_human(size: float, text: str) -> None:
    assert human_size(size) == text


def test_human_with_three_digits_overflows_as_docker_does() -> None:
    assert human_size(1234567, 3) == "1.23MB"
    assert human_size(999_900, 3) == "1e+03kB"


@pytest.mark.parametrize(("size", "text"), [(0, "0B"), (1023, "1023B"), (1536, "1.5KiB"), (3 << 29, "1.5GiB")])
def test_bytes_size(size: float, text: str) -> None:
    assert bytes_size(size) == text
