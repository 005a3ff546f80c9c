import itertools
import math

import hypothesis
import hypothesis.strategies as st
import pytest

from jaxsize.resizing.buckets import bucket

SETTINGS = hypothesis.settings(deadline=None, max_examples=80)
FACTORS = st.sampled_from([1.0, 1.1, 1.25, 1.5, 2.0])


def test_the_list_of_buckets():
    sizes = sorted({bucket(width) for width in range(600)})
    assert sizes == [16, 32, 48, 64, 80, 112, 144, 192, 240, 304, 384, 480, 608]
    assert sorted({bucket(width, factor=1.5) for width in range(300)}) == [16, 32, 48, 80, 128, 192, 288, 432]
    assert sorted({bucket(width, factor=2, multiple=1) for width in range(65)}) == [1, 2, 4, 8, 16, 32, 64]


@SETTINGS
@hypothesis.given(width=st.integers(0, 5000), factor=FACTORS, multiple=st.sampled_from([1, 3, 16]))
def test_a_bucket_holds_the_width_and_no_smaller_one_does(width, factor, multiple):
    size = bucket(width, factor=factor, multiple=multiple)
    assert size >= max(width, 1) and size % multiple == 0
    assert bucket(size, factor=factor, multiple=multiple) == size
    if size > multiple:
        before = bucket(size - multiple, factor=factor, multiple=multiple)
        for smaller in range(width, size):  # all widths from the one below on share it
            assert bucket(smaller, factor=factor, multiple=multiple) == size
        assert before <= size


@SETTINGS
@hypothesis.given(factor=FACTORS, multiple=st.sampled_from([1, 3, 16]))
def test_buckets_grow_by_the_factor_and_not_much_more(factor, multiple):
    sizes = [multiple]
    while sizes[-1] < 600:
        sizes.append(bucket(sizes[-1] + 1, factor=factor, multiple=multiple))
    for small, large in itertools.pairwise(sizes):
        assert large >= factor * small * (1 - 1e-9)
        assert large <= max(small + multiple, factor * small + multiple)
    if factor > 1:
        first = multiple / (factor - 1)  # from there on the factor, not the multiple, sets the step
        assert len(sizes) <= first / multiple + 3 + math.log(max(600 / first, 1), factor) + 1


def test_options_that_make_no_sense_are_told():
    for options in ({"width": -1}, {"width": 5, "factor": 0.9}, {"width": 5, "multiple": 0}):
        with pytest.raises(ValueError, match="bucket: expected width >= 0, factor >= 1, multiple >= 1"):
            bucket(**options)
