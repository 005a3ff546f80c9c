import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats

from jaxsize.networks import initializers
from jaxsize.networks.initializers import init_bias, init_kernel, init_liveness

UNIFORM = {  # scheme: bound from (fan_in, fan_out), as in the papers
    "pytorch": lambda fan_in, fan_out: fan_in**-0.5,
    "he_uniform": lambda fan_in, fan_out: (6 / fan_in) ** 0.5,
    "glorot_uniform": lambda fan_in, fan_out: (6 / (fan_in + fan_out)) ** 0.5,
}
NORMAL = {
    "he_normal": lambda fan_in, fan_out: (2 / fan_in) ** 0.5,
    "glorot_normal": lambda fan_in, fan_out: (2 / (fan_in + fan_out)) ** 0.5,
    "lecun_normal": lambda fan_in, fan_out: fan_in**-0.5,
}
SCHEMES = [*UNIFORM, *NORMAL]
SETTINGS = hypothesis.settings(deadline=None, max_examples=30)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_distribution_is_the_closed_form(scheme):
    fan_out, fan_in = 200, 300
    kernel = init_kernel(3, "layer", fan_out, fan_in, initializer=scheme)
    assert (kernel.shape, kernel.dtype) == ((fan_out, fan_in), np.float32)
    if scheme in UNIFORM:
        bound = UNIFORM[scheme](fan_in, fan_out)
        assert np.abs(kernel).max() <= np.float32(bound)
        assert np.abs(kernel).max() > 0.999 * bound
        std, exact = bound / 3**0.5, scipy.stats.uniform(-bound, 2 * bound)
    else:
        std = NORMAL[scheme](fan_in, fan_out)
        exact = scipy.stats.norm(0, std)
    num = kernel.size
    assert abs(kernel.mean(dtype=float)) < 4 * std / num**0.5
    assert kernel.std(dtype=float) == pytest.approx(std, rel=4 / num**0.5)
    assert scipy.stats.kstest(kernel.ravel(), exact.cdf).pvalue > 1e-3
    # Units and positions are independent draws: correlations of rows and of columns are noise.
    for matrix in (kernel[:50], kernel.T[:50]):
        correlations = np.corrcoef(matrix)[np.triu_indices(50, 1)]
        assert np.abs(correlations).max() < 5 / matrix.shape[1] ** 0.5


@SETTINGS
@hypothesis.given(
    scheme=st.sampled_from(SCHEMES),
    seed=st.integers(-(2**70), 2**70),
    small=st.tuples(st.integers(0, 9), st.integers(0, 20)),
    extra=st.tuples(st.integers(0, 9), st.integers(0, 20)),
)
def test_two_layers_share_the_block_that_both_have(scheme, seed, small, extra):
    large = (small[0] + extra[0], small[1] + extra[1])
    scale_of = (UNIFORM | NORMAL)[scheme]

    def unscaled(num_units, fan_in):
        kernel = init_kernel(seed, "layer", num_units, fan_in, initializer=scheme)
        return kernel / scale_of(max(fan_in, 1), max(num_units, 1))

    expected = unscaled(*large)[: small[0], : small[1]]
    np.testing.assert_allclose(unscaled(*small), expected, rtol=1e-5, atol=1e-7)


@SETTINGS
@hypothesis.given(
    scheme=st.sampled_from(["pytorch", "zeros", "normal"]),
    small=st.integers(0, 20),
    extra=st.integers(0, 20),
    fan_in=st.integers(0, 9),
)
def test_biases_of_two_widths_share_their_beginning(scheme, small, extra, fan_in):
    short, long = (init_bias(1, "layer", n, fan_in, initializer=scheme) for n in (small, small + extra))
    assert short.dtype == np.float32
    np.testing.assert_array_equal(short, long[:small])


def test_draws_repeat_and_differ_by_seed_name_and_part():
    seeds = [0, 1, 2, 12345, 2**32, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, -1]
    names = ["hidden.0", "hidden.1", "output"]
    kernels = {(seed, name): init_kernel(seed, name, 2, 4) for seed in seeds for name in names}
    assert len({kernel.tobytes() for kernel in kernels.values()}) == len(kernels)
    for (seed, name), kernel in kernels.items():
        np.testing.assert_array_equal(kernel, init_kernel(seed, name, 2, 4))
    rows = {row.tobytes() for kernel in kernels.values() for row in kernel}
    assert len(rows) == 2 * len(kernels)  # every unit draws its own
    uniform = [init_kernel(0, "a", 1, 8)[0], init_bias(0, "a", 8, 8), 2 * init_liveness(0, "a", 8, start="uniform") - 1]
    assert len({np.round(draw, 5).tobytes() for draw in uniform}) == 3


def test_biases_follow_their_scheme():
    fan_in, num = 16, 20_000
    assert not init_bias(0, "a", 5, fan_in, initializer="zeros").any()
    pytorch = init_bias(0, "a", num, fan_in)
    assert scipy.stats.kstest(pytorch, scipy.stats.uniform(-0.25, 0.5).cdf).pvalue > 1e-3
    normal = init_bias(0, "a", num, fan_in, initializer="normal")
    assert scipy.stats.kstest(normal, scipy.stats.norm.cdf).pvalue > 1e-3


def test_gates_start_open(monkeypatch):
    np.testing.assert_array_equal(init_liveness(0, "a", 3), np.ones(3, np.float32))
    np.testing.assert_array_equal(init_liveness(0, "a", 2, start=0.25), np.full(2, 0.25, np.float32))
    drawn = init_liveness(0, "a", 20_000, start="uniform")
    assert drawn.min() > 0 and drawn.max() <= 1 and drawn.dtype == np.float32
    assert scipy.stats.kstest(drawn, scipy.stats.uniform.cdf).pvalue > 1e-3
    monkeypatch.setattr(initializers, "_draw", lambda *args, **kind: np.zeros((1, 3), np.float32))
    assert init_liveness(0, "a", 3, start="uniform").all()  # also where the draw is 0: the interval is (0, 1]
    for start in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="liveness start"):
            init_liveness(0, "a", 3, start=start)


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match=r"pytorch, he_uniform, .*got 'xavier'"):
        init_kernel(0, "a", 2, 3, initializer="xavier")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="pytorch, zeros, normal, got 'ones'"):
        init_bias(0, "a", 2, 3, initializer="ones")  # pyright: ignore[reportArgumentType]
