"""Principal components of what a layer puts out: their spectrum, what k of them miss, what a network makes of them.

The source is seed `003_d2c286111c329776.txt`, "Investigate PCA based metrics for layer size" (D6, J6).
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.measures._checks import floating, require_count
from jaxsize.trees import Array

BLOCK = 2048
"""Rows whose products are added up at once."""


class PrincipalComponents(NamedTuple):
    """The principal components of values, the largest first.

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import PrincipalComponents, principal_components
        >>> components = principal_components(np.array([[1.0, 2.0], [5.0, 2.0]]))
        >>> isinstance(components, PrincipalComponents), components.mean.tolist(), components.spectrum.tolist()
        (True, [3.0, 2.0], [4.0, 0.0])
    """

    mean: jax.Array
    """[U]"""
    rows: jax.Array
    """[U, U], orthonormal; row k is the component of number k."""
    deviations: jax.Array
    """[U], the standard deviation of the values along each component, from the largest on."""

    @property
    def spectrum(self) -> jax.Array:
        """The variances along the components, the eigenvalues of the covariance (with 1 / N), [U]."""
        return self.deviations**2


def principal_components(values: Array) -> PrincipalComponents:
    """Find the principal components of values.

    Eigenvalues are off by about 1e-6 of the largest one in float32, so that those below are noise. The number of others
    is at most the rank of what the layer reads: on MNIST below 784, since some pixels never change.

    Args:
        values: such as what a layer puts out before its activation, real [N, U]. Map over runs with `jax.vmap`, or with
            `jax.lax.map` where the memory holds one layer only.

    Returns:
        All U components; all variances are 0 where values never change.

    Raises:
        InputError: when values are not finite or not [N, U].

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import principal_components
        >>> line = np.arange(5.0)[:, None] * np.array([[3.0, 4.0]])
        >>> components = principal_components(line)
        >>> np.abs(components.rows[0]).round(2), components.spectrum.round(2)
        (array([0.6, 0.8], dtype=float32), Array([50.,  0.], dtype=float32))
    """
    return _components(floating(values, "values", "[N, U]"))


@jax.jit
def _components(values: jax.Array) -> PrincipalComponents:
    num_rows, num_units = values.shape
    mean = values[0] + jnp.mean(values - values[:1], axis=0)
    scale = jnp.max(jnp.abs(values - mean[None]))
    scale = jnp.where(scale > 0, scale, 1)

    def products(rows: jax.Array) -> jax.Array:
        scaled = (rows - mean[None]) / scale
        return jnp.matmul(scaled.T, scaled, precision="highest")

    def step(number: jax.Array, total: jax.Array) -> jax.Array:
        return total + products(jax.lax.dynamic_slice_in_dim(values, number * BLOCK, BLOCK))

    whole, rest = divmod(num_rows, BLOCK)
    total = products(values[num_rows - rest :]) if rest else jnp.zeros((num_units, num_units), values.dtype)
    total = jax.lax.fori_loop(0, whole, step, total) if whole else total
    eigenvalues, columns = jnp.linalg.eigh(total / num_rows)
    deviations = scale * jnp.sqrt(jnp.maximum(eigenvalues[::-1], 0))
    return PrincipalComponents(mean, columns[:, ::-1].T, deviations)


def directions(
    components: PrincipalComponents, kind: Literal["rows", "columns", "random"], key: jax.Array | None = None
) -> jax.Array:
    """Return the directions that are kept one after the other, in place of principal components or beside them.

    Args:
        components: of `principal_components`.
        kind: `rows`: the components. `columns`: the columns of the same matrix, which the journal took for them; they
            are orthonormal, and have nothing to do with the variance (E1). `random`: random ones, the control.
        key: of `jax.random`, for `random`.

    Returns:
        [U, U], orthonormal; row k is the direction of number k.

    Raises:
        InputError: when `kind` is another one, or `random` has no key.

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import directions, principal_components
        >>> components = principal_components(np.eye(3))
        >>> np.array_equal(directions(components, "columns"), components.rows.T)
        True
    """
    if kind == "rows":
        return components.rows
    if kind == "columns":
        return components.rows.T
    if kind != "random":
        raise InputError(f"expected rows, columns or random, got {kind!r}", field="kind")
    if key is None:
        raise InputError("expected a key of jax.random for random directions, got none", field="key")
    return jax.random.orthogonal(key, len(components.rows), dtype=components.rows.dtype)


def error_curve(components: PrincipalComponents, kept: jax.Array | None = None) -> jax.Array:
    """Compute what the first k of some directions miss of the variance, for every k.

    Args:
        components: of the values.
        kept: the directions, orthonormal rows [U, U]. None: the components.

    Returns:
        The mean squared distance of the values from their first k directions, as a share of the variance, for
        k = 0, ..., U: [U + 1], from 1 to 0. For random directions, and for any that have nothing to do with the
        variance, a straight line is expected, 1 - k / U. All 0 where values never change.

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import error_curve, principal_components
        >>> line = np.arange(5.0)[:, None] * np.array([[3.0, 4.0]])
        >>> error_curve(principal_components(line)).round(3).tolist()
        [1.0, 0.0, 0.0]
    """
    return _curve(components, kept)


@jax.jit
def _curve(components: PrincipalComponents, kept: jax.Array | None) -> jax.Array:
    largest = components.deviations[0]
    variances = (components.deviations / jnp.where(largest > 0, largest, 1)) ** 2
    if kept is not None:
        along = jnp.matmul(kept, components.rows.T, precision="highest")
        variances = jnp.matmul(along**2, variances, precision="highest")
    missed = jnp.cumsum(variances[::-1])[::-1]  # from the end: small errors are no differences of large numbers
    missed = jnp.concatenate([missed, jnp.zeros(1, missed.dtype)])
    return missed / jnp.where(missed[0] > 0, missed[0], 1)


def outputs_by_components(
    values: Array,
    components: PrincipalComponents,
    counts: Sequence[int],
    outputs_of: Callable[[jax.Array], jax.Array],
    *,
    kept: jax.Array | None = None,
    centred: bool = True,
) -> jax.Array:
    """Compute what a network makes of a layer of which only the first k directions are left, for several k.

    Together they cost two products of the values with the directions, since each k adds to the one before.

    Args:
        values: what the layer puts out, real [N, U].
        components: of such values.
        counts: the numbers k, ascending, from 0 to U.
        outputs_of: the rest of the network: a representation [N, U] -> outputs [N, ...], such as of pre-activations.
        kept: the directions, orthonormal rows [U, U]. None: the components.
        centred: whether the mean is taken off first and added again. The journal projected the values as they were.

    Returns:
        Outputs [K, N, ...], one set for every k; accuracies are up to the caller.

    Raises:
        InputError: when values are not finite or not [N, U], or counts are out of range or not ascending.

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import outputs_by_components, principal_components
        >>> line = np.arange(5.0)[:, None] * np.array([[3.0, 4.0]])
        >>> sums = outputs_by_components(line, principal_components(line), (0, 1), lambda rows: rows.sum(axis=1))
        >>> [[round(total) for total in of_k] for of_k in sums.tolist()]
        [[14, 14, 14, 14, 14], [0, 7, 14, 21, 28]]
    """
    values = floating(values, "values", "[N, U]")
    kept = components.rows if kept is None else kept
    for count in counts:
        require_count(count, "counts", low=0, high=len(kept), of="the number of units")
    if list(counts) != sorted(set(counts)) or not counts:
        raise InputError(f"expected numbers in ascending order, got {tuple(counts)}", field="counts")
    mean = components.mean[None] if centred else jnp.zeros_like(components.mean)[None]
    deviations = values - mean
    near, outputs = jnp.broadcast_to(mean, values.shape), []
    for low, high in zip((0, *counts), counts, strict=False):
        along = jnp.matmul(deviations, kept[low:high].T, precision="highest")
        near = near + jnp.matmul(along, kept[low:high], precision="highest")
        outputs.append(outputs_of(near))
    return jnp.stack(outputs)
