"""_grid.py: labels of runs and columns of settings."""

import numpy as np

from jaxsize.sweeps._grid import column, numbered

SETTINGS = [{"rate": 0.1, "rates": [1e-3, 2.0], "seed": 5}, {"rate": 3, "rates": [1.0, 0.0], "seed": 6}]


def test_labels_are_shared_columns_then_the_number_then_the_settings():
    labels = numbered({"arm": "a", "seed": -1}, SETTINGS, 7)
    assert labels == [{"arm": "a", "run": 7 + index} | setting for index, setting in enumerate(SETTINGS)]
    assert [list(label) for label in labels] == [["arm", "seed", "run", "rate", "rates"]] * 2


def test_columns_are_float32_with_a_row_per_run():
    for key, expected in (("rate", [0.1, 3.0]), ("rates", [[1e-3, 2.0], [1.0, 0.0]])):
        values = column(SETTINGS, key)
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, np.array(expected, np.float32))
