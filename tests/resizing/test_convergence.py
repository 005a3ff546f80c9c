"""Both readings of "does not change more than 1 % for 5 epochs", by a loop that follows the words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxsize.resizing import converged_epoch


def by_words(losses, reading):
    for t in range(len(losses)):
        following = list(range(t + 1, t + 6))
        if following[-1] >= len(losses):
            return None
        base = {j: losses[t] if reading == "reference" else losses[j - 1] for j in following}
        if all(abs(losses[j] - base[j]) / base[j] < 0.01 for j in following):
            return t + 1
    return None


@given(st.lists(st.sampled_from([0.98, 0.995, 0.999, 1.0, 1.004, 1.02]), min_size=0, max_size=30))
def test_both_readings(ratios):
    losses = 50 * np.cumprod([1.0, *ratios])
    for reading in ("reference", "consecutive"):
        assert converged_epoch(losses, reading=reading) == by_words(losses.tolist(), reading)


def test_a_slow_fall_converges_by_one_reading_only_and_nothing_converges_through_nan():
    slow = 100 * 0.995 ** np.arange(40)
    assert converged_epoch(slow) is None and converged_epoch(slow, reading="consecutive") == 1
    assert converged_epoch([5.0, np.nan, *[1.0] * 6]) == 3
    assert converged_epoch([np.nan] * 10) is None
    assert converged_epoch([0.0] * 6) is None  # no share of 0 is a small change


@pytest.mark.parametrize(
    ("losses", "options", "message"),
    [
        ([[1.0]], {}, "losses: expected one loss per epoch"),
        ([1.0], {"reading": "other"}, "reading: expected reference or consecutive, got 'other'"),
        ([1.0], {"tolerance": 0}, "expected a tolerance above 0 and patience from 1 on, got 0 and 5"),
        ([1.0], {"patience": 0}, "expected a tolerance above 0 and patience from 1 on, got 0.01 and 0"),
    ],
)
def test_settings_that_make_no_sense(losses, options, message):
    with pytest.raises(ValueError, match=message):
        converged_epoch(losses, **options)
