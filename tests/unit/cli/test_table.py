"""Columns as Go's tabwriter makes them."""

from hypothesis import given
from hypothesis import strategies as st

from havre.cli.table import align, width


def test_columns_are_as_wide_as_their_widest_cell_and_three() -> None:
    assert align("ID\tNAME\tX\n1234567890\ta\ty\n") == "ID           NAME      X\n1234567890   a         y\n"


def test_the_last_cell_is_not_padded() -> None:
    assert align("a\tb\n") == "a         b\n"
    assert align("a\t\n") == "a         \n"


def test_a_column_ends_where_a_line_has_no_cell_for_it() -> None:
    text = "aaaa\tbbb\td\naa\tb\tdd\na\t\naa\tcccccccccc\teee\n"
    assert align(text, 0, 1) == "aaaa bbb d\naa   b   dd\na    \naa   cccccccccc eee\n"


def test_text_without_tabs_is_left_alone() -> None:
    assert align("plain\nlines\n") == "plain\nlines\n"


def test_wide_and_combining_characters() -> None:
    assert [width(text) for text in ("abc", "日本", "e\u0301", "ä", "")] == [3, 4, 1, 1, 0]
    assert align("日本\tx\nab\ty\n") == "日本      x\nab        y\n"


CELLS = st.lists(st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"])), min_size=1), min_size=1)


@given(CELLS, st.integers(0, 12), st.integers(0, 4))
def test_cells_keep_their_order_and_their_columns_line_up(rows: list[list[str]], minimum: int, padding: int) -> None:
    lines = align("\n".join("\t".join(row) for row in rows), minimum, padding).split("\n")
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert "\t" not in line
        assert line.replace(" ", "") == "".join(row)
        assert len(line) >= (len(row) - 1) * max(minimum, padding) + len(row[-1])
    if len({len(row) for row in rows}) == 1:
        ends = {len(line) - len(row[-1]) for line, row in zip(lines, rows, strict=True)}
        assert len(ends) == 1
