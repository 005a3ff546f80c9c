from jaxsize.text_tables import format_table, spread


def test_tables_align_their_columns():
    table = format_table(["penalty", "units"], [["0.1", "3 [2 .. 5]"], ["0.00001", "-"]])
    assert table.split("\n") == [
        "penalty       units",
        "-------  ----------",
        "0.1      3 [2 .. 5]",
        "0.00001           -",
    ]
    assert format_table(["a"], []).split("\n") == ["a", "-"]


def test_spreads_are_short():
    assert spread({"median": None, "low": None, "high": None}) == "-"
    assert spread({"median": 0.5, "low": 0.25, "high": 0.98765}) == "0.5 [0.25 .. 0.988]"
    assert spread({"median": 0.5, "low": 0.25, "high": 1.0}, ".1%") == "50.0% [25.0% .. 100.0%]"
    assert spread({"median": 7, "low": 7, "high": 7}, ".0f") == "7"
    assert spread({"median": 7, "low": 6.9, "high": 7.1}, ".0f") == "7"  # no spread that can be seen
