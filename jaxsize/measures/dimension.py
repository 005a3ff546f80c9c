"""How many dimensions values take up: by their spectrum, and by two estimates from nearest neighbours."""

import functools

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.measures._checks import floating, require_count
from jaxsize.trees import Array

ENTRIES = 2**22
"""The most numbers of a block of distances that are kept at once, 16 MiB in float32."""
SPARE = 8
"""Candidates beyond the neighbours asked for, since the first look at distances is a little inexact."""


def participation_ratio(spectrum: Array) -> jax.Array:
    """Compute the effective number of dimensions of a spectrum, (sum of l)^2 / sum of l^2.

    Args:
        spectrum: the variances along principal components, real [U], 0 or more.

    Returns:
        [], from 1, where one component has all the variance, to U, where all have the same; 0 if there is no variance.

    Raises:
        InputError: when a value is not finite, or the shape is not [U].

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import participation_ratio
        >>> float(participation_ratio(np.array([2.0, 2.0, 0.0]))), float(participation_ratio(np.zeros(3)))
        (2.0, 0.0)
    """
    spectrum = floating(spectrum, "spectrum", "[U]")
    largest = jnp.max(spectrum)
    shares = spectrum / jnp.where(largest > 0, largest, 1)
    return jnp.sum(shares) ** 2 / jnp.maximum(jnp.sum(shares**2), 1)


def two_nn_dimension(values: Array, *, discarded: float = 0.1) -> jax.Array:
    """Estimate the dimension of values from the distances to their two nearest neighbours.

    With m the ratio of the two distances and F its distribution, -log(1 - F) = d log m. A line through 0 is fitted to
    all but the largest ratios (Facco, d'Errico, Rodriguez and Laio 2017, as scikit-dimension computes it).
    The work grows with N^2 U: some thousand rows are enough. Memory is bounded.

    Args:
        values: real [N, U], such as what a layer puts out.
        discarded: the share of the ratios that is left out, the largest, from 0 to below 1.

    Returns:
        [], the dimension; 0 if all rows are equal, infinite if for all rows that count both neighbours are equally far.
        A row that occurs more than once has a neighbour at distance 0 and is left out, but remains a neighbour of the
        others, twice; where there are many such rows, keep one of each first (`numpy.unique`).

    Raises:
        InputError: when values are not finite or not [N, U], or there are fewer than 3 rows.

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import two_nn_dimension
        >>> plane = np.random.default_rng(0).uniform(size=(2000, 2)) @ np.array([[1, 0, 2, 1], [0, 1, 1, -3]])
        >>> round(float(two_nn_dimension(plane)), 1)
        2.0
    """
    if not 0 <= discarded < 1:
        raise InputError(f"expected a number from 0 to below 1, got {discarded!r}", field="discarded")
    return _two_nn(floating(values, "values", "[N, U]"), discarded)


@jax.jit
def _two_nn(values: jax.Array, discarded: float) -> jax.Array:
    distances = _nearest(values, 2)
    apart = distances[:, 0] > 0
    ratios = jnp.where(apart, distances[:, 1] / jnp.where(apart, distances[:, 0], 1), jnp.inf)
    number = jnp.arange(len(ratios), dtype=ratios.dtype)
    total = jnp.sum(apart)
    counts = number < jnp.floor(total * (1 - discarded))
    x = jnp.where(counts, jnp.log(jnp.where(counts, jnp.sort(ratios), 1)), 0)
    y = jnp.where(counts, -jnp.log1p(-jnp.where(counts, number, 0) / jnp.maximum(total, 1)), 0)
    squares = jnp.sum(x**2)
    slope = jnp.sum(x * y) / jnp.where(squares > 0, squares, 1)
    return jnp.where(squares > 0, slope, jnp.where(total > 0, jnp.inf, 0))


def likelihood_dimension(values: Array, *, neighbours: int = 20) -> jax.Array:
    """Estimate the dimension of values from the distances to their nearest neighbours, by maximum likelihood.

    Around every row, 1 / d is the mean of log(T_k / T_j) over the k - 1 nearer neighbours j, with the distance T_j to
    neighbour j (Levina and Bickel 2004); these are averaged over rows, which is the likeliest d that all rows share
    (MacKay and Ghahramani 2005). The work grows with N^2 U: some thousand rows are enough. Memory is bounded.

    Args:
        values: real [N, U], such as what a layer puts out.
        neighbours: k, from 2 to N - 1.

    Returns:
        [], the dimension; 0 if all rows are equal, infinite if all neighbours of every row are equally far. For rows
        that occur more than once, see `two_nn_dimension`.

    Raises:
        InputError: when values are not finite or not [N, U], or `neighbours` is out of range.

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import likelihood_dimension
        >>> line = np.random.default_rng(0).uniform(size=(1000, 1)) * np.arange(5)
        >>> round(float(likelihood_dimension(line)), 1)
        1.0
    """
    values = floating(values, "values", "[N, U]")
    require_count(neighbours, "neighbours", low=2, high=max(len(values) - 1, 2), of="the other rows")
    return _likelihood(values, int(neighbours))


@functools.partial(jax.jit, static_argnames="neighbours")
def _likelihood(values: jax.Array, neighbours: int) -> jax.Array:
    distances = _nearest(values, neighbours)
    apart = distances[:, 0] > 0
    safe = jnp.where(apart[:, None], distances, 1)
    inverses = jnp.mean(jnp.log(safe[:, -1:] / safe[:, :-1]), axis=1)
    total = jnp.sum(apart)
    mean = jnp.sum(jnp.where(apart, inverses, 0)) / jnp.maximum(total, 1)
    return jnp.where(mean > 0, 1 / jnp.where(mean > 0, mean, 1), jnp.where(total > 0, jnp.inf, 0))


def _nearest(values: jax.Array, count: int) -> jax.Array:
    """Return the distances of every row to its nearest other rows, ascending, in any unit: [N, count].

    Candidates are selected by inner products, which is fast; their distances are then computed from differences, which
    is accurate where rows are close to each other.
    """
    num_rows, num_units = values.shape
    if num_rows <= count:
        raise InputError(f"expected at least {count + 1} rows, got {num_rows}", field="values")
    shifted = values - values[:1]
    shifted = shifted - jnp.mean(shifted, axis=0, keepdims=True)
    largest = jnp.max(jnp.abs(shifted))
    shifted = shifted / jnp.where(largest > 0, largest, 1)
    squares = jnp.sum(shifted**2, axis=1)
    candidates = min(count + SPARE, num_rows - 1)
    block = max(1, min(num_rows, ENTRIES // max(num_rows, candidates * num_units)))

    def of_block(start: jax.Array) -> jax.Array:
        start = jnp.minimum(start, num_rows - block)
        rows = jax.lax.dynamic_slice_in_dim(shifted, start, block)
        near = jnp.matmul(rows, shifted.T, precision="highest") - squares[None] / 2  # larger is nearer
        own = start + jnp.arange(block)
        near = near.at[jnp.arange(block), own].set(-jnp.inf)
        _, index = jax.lax.top_k(near, candidates)
        differences = rows[:, None] - shifted[index]
        return jnp.sqrt(jnp.sort(jnp.sum(differences**2, axis=-1), axis=-1)[:, :count])

    starts = jnp.arange(0, num_rows, block)
    blocks = jax.lax.map(of_block, starts)
    last = num_rows - block  # where the last block begins, which may overlap the one before
    positions = (jnp.minimum(starts, last)[:, None] + jnp.arange(block)[None]).reshape(-1)
    return jnp.zeros((num_rows, count), values.dtype).at[positions].set(blocks.reshape(-1, count))
