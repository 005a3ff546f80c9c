"""Plain-text tables: aligned columns, and tables that fit a page."""

import pytest

from jaxsize.text_tables import fit_table, format_table


def test_tables_align_their_columns():
    table = format_table(["penalty", "units"], [["0.1", "3 [2 .. 5]"], ["0.00001", "-"]])
    assert table.split("\n") == [
        "penalty       units",
        "-------  ----------",
        "0.1      3 [2 .. 5]",
        "0.00001           -",
    ]
    assert format_table(["a"], []).split("\n") == ["a", "-"]


@pytest.mark.parametrize("width", [20, 40, 60, 120])
def test_a_table_fits_its_page_and_loses_no_cell(width):
    header = ["what a row is", *(f"number {index}" for index in range(9))]
    rows = [["a long name of many words", *(f"{row}.{index}\n0..{row}" for index in range(9))] for row in range(3)]
    text = fit_table(header, rows, width=width)
    assert max(map(len, text.split("\n"))) <= width
    for row in range(3):
        assert all(f"{row}.{index}" in text for index in range(9))
    blocks = text.split("\n\n")
    assert len(blocks) == 1 if width == 120 else len(blocks) > 1
    assert all(block.split()[:2] == ["what", "a"] for block in blocks)  # every block says what its rows are


def test_a_cell_with_line_breaks_takes_several_lines():
    lines = fit_table(["a", "b"], [["x", "1\n2"], ["y", "3"]], width=80).split("\n")
    assert lines == ["a  b", "-  -", "x  1", "   2", "y  3"]
