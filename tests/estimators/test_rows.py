"""Rows with weights: equal ones become one, none of weight 0 is left, and few numbers of rows are trained on."""

import numpy as np

from jaxsize.estimators._rows import merged, padded


def test_equal_rows_are_one_whatever_their_order():
    draw = np.random.default_rng(0)
    rows = draw.integers(0, 3, (60, 2)).astype(float)
    targets, weights = draw.integers(0, 2, (60, 1)).astype(float), draw.integers(0, 4, 60).astype(float)
    got = merged(rows, targets, weights)
    expected = {}
    for row, target, weight in zip(rows.tolist(), targets[:, 0], weights, strict=True):
        if weight:
            expected[*row, target] = expected.get((*row, target), 0) + weight
    keys = [(*row, target) for row, target in zip(got.inputs.tolist(), got.targets[:, 0], strict=True)]
    assert len(set(keys)) == len(keys) and set(keys) == set(expected)
    mean = sum(expected.values()) / len(expected)
    np.testing.assert_allclose(got.weights, [expected[key] / mean for key in keys])
    order = draw.permutation(60)
    repeated = np.repeat(np.arange(60), weights.astype(int))
    for index, weight in ((order, weights[order]), (repeated, np.ones(len(repeated)))):
        for one, other in zip(merged(rows[index], targets[index], weight), got, strict=True):
            np.testing.assert_array_equal(one, other)


def test_zeros_of_both_signs_are_equal():
    assert len(merged(np.array([[0.0], [-0.0]]), np.zeros((2, 1)), np.ones(2)).inputs) == 1


def test_few_lengths_are_at_most_an_eighth_apart():
    lengths = {len(padded(np.ones((rows, 1)))) for rows in range(1, 3000)}
    assert len(lengths) < 40 and min(lengths) == 64
    steps = np.array(sorted(lengths))
    wide = steps[steps >= 512]
    assert (np.diff(wide) / wide[:-1]).max() < 0.25
    np.testing.assert_array_equal(padded(np.ones((65, 2)))[65:], 0)
