"""Products of the Hessian and of the generalised Gauss-Newton matrix with vectors, exact and without the matrix.

With the model's outputs z = f(params), their Jacobian J and the loss L(z), the Hessian of L(f(params)) is
H = J^T H_L J + the sum over outputs of dL/dz_i times the Hessian of z_i, where H_L is the Hessian of L by z. The first
term alone is the Gauss-Newton matrix G: symmetric, and positive semi-definite if L is convex in z. H v and G v agree
where the residuals dL/dz vanish or the model is linear in its parameters, and nowhere else in general, so G v is not to
be compared with differences of gradients, which give H v (E27).

Where the model ends and the loss begins is the caller's choice, and G depends on it. For a squared error of sigmoid
outputs, the model includes the sigmoid: of the logits, that loss is not convex. For a cross-entropy from logits, the
model ends at the logits.

Any function of JAX passes, gates of jaxsize included. The Hessian is taken forward over reverse, which asks of a
`jax.custom_vjp` function only that its backward rule can be differentiated. J v is taken as the transpose of the
pullback u -> J^T u, not in forward mode, so that a `custom_vjp` function counts by its own backward rule there too.
"""

from collections.abc import Callable
from typing import Any

import jax

from jaxsize.curvature._checks import alike, floating
from jaxsize.trees import Tree

Loss = Callable[[Any], Any]
Model = Callable[[Any], Any]
Product = Callable[[Any], Any]


def hvp(loss_fn: Loss, params: Tree, vector: Tree) -> Tree:
    """Compute the product of the Hessian of a loss with a vector.

    It costs about as much as two gradients. For many vectors at the same parameters see `hvps` and `linear_hvp`.

    Args:
        loss_fn: a pure function of the parameters; returns a scalar [].
        params: a pytree of floating arrays.
        vector: a pytree of the structure, shapes and dtypes of `params`.

    Returns:
        The product, in the form of `params`.

    Raises:
        InputError: when a leaf of `params` is not floating, or `vector` differs from `params` in its form; the error
            names the leaf.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import hvp
        >>> params = {"a": jnp.array([1.0, 2.0]), "b": jnp.array(3.0)}
        >>> vector = {"a": jnp.array([1.0, 0.0]), "b": jnp.array(1.0)}
        >>> product = jax.jit(lambda params, vector: hvp(lambda p: p["b"] * (p["a"] ** 2).sum(), params, vector))
        >>> {name: leaf.tolist() for name, leaf in product(params, vector).items()}
        {'a': [8.0, 4.0], 'b': 2.0}
    """
    params = floating(params)
    return jax.jvp(jax.grad(loss_fn), (params,), (alike(vector, params, "vector"),))[1]


def linear_hvp(loss_fn: Loss, params: Tree) -> tuple[Tree, Product]:
    """Linearise the gradient of a loss once, for any number of products with its Hessian.

    Use both within one `jax.jit`: the product is a function of arrays that belong to these parameters.

    Args:
        loss_fn: a pure function of the parameters; returns a scalar [].
        params: a pytree of floating arrays.

    Returns:
        The gradient, and the function of a vector of the form of `params` that returns the product. Map it over
        vectors by `jax.lax.map` on a CPU, where `jax.vmap` is slower.

    Raises:
        InputError: when a leaf of `params` is not floating. The function raises it when a vector has another form.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import linear_hvp
        >>> gradient, product = linear_hvp(lambda x: (x**3).sum(), jnp.array([1.0, 2.0]))
        >>> gradient.tolist(), product(jnp.array([1.0, 1.0])).tolist()
        ([3.0, 12.0], [6.0, 12.0])
    """
    params = floating(params)
    gradient, tangent = jax.linearize(jax.grad(loss_fn), params)
    return gradient, lambda vector: tangent(alike(vector, params, "vector"))


def hvps(loss_fn: Loss, params: Tree, vectors: Tree, *, batch_size: int | None = None) -> Tree:
    """Compute the products of the Hessian of a loss with many vectors; the loss is linearised once.

    Args:
        loss_fn: a pure function of the parameters; returns a scalar [].
        params: a pytree of floating arrays.
        vectors: as `params`, with one more axis of K vectors in front of every leaf.
        batch_size: how many vectors are multiplied at a time; None for one by one, which is fastest on a CPU. GPUs
            want more.

    Returns:
        The K products, in the form of `vectors`.

    Raises:
        InputError: when a leaf of `params` is not floating, or `vectors` have another form.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import hvps
        >>> hvps(lambda x: x[0] ** 2 * x[1], jnp.array([1.0, 2.0]), jnp.eye(2)).tolist()
        [[4.0, 2.0], [2.0, 0.0]]
    """
    params = floating(params)
    vectors = alike(vectors, params, "vectors", stacked=True)
    return jax.lax.map(jax.linearize(jax.grad(loss_fn), params)[1], vectors, batch_size=batch_size)


def ggn_vp(model_fn: Model, loss_fn: Loss, params: Tree, vector: Tree) -> Tree:
    """Compute the product of the generalised Gauss-Newton matrix J^T H_L J with a vector (D13).

    It costs about one and a half gradients. For many vectors at the same parameters see `ggn_vps` and `linear_ggn`.

    Args:
        model_fn: a pure function of the parameters; returns the outputs, floating arrays or a pytree of them.
        loss_fn: a pure function of the outputs; returns a scalar [].
        params: a pytree of floating arrays.
        vector: a pytree of the structure, shapes and dtypes of `params`.

    Returns:
        The product, in the form of `params`.

    Raises:
        InputError: when a leaf of `params` or of the outputs is not floating, or `vector` differs from `params` in its
            form; the error names the leaf.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import ggn_vp
        >>> def model(x):  # at x = (1, 2) with J = (4, 4)
        ...     return (x**2).sum() + 2 * x[0]
        >>> ggn_vp(model, lambda z: z**2 / 2, jnp.array([1.0, 2.0]), jnp.array([1.0, 0.0])).tolist()
        [16.0, 16.0]
    """
    params = floating(params)
    return _ggn(model_fn, loss_fn, params)[1](alike(vector, params, "vector"))


def linear_ggn(model_fn: Model, loss_fn: Loss, params: Tree) -> tuple[Tree, Product]:
    """Linearise a model and the gradient of its loss once, for any number of Gauss-Newton products.

    Use both within one `jax.jit`: the product is a function of arrays that belong to these parameters.

    Args:
        model_fn: a pure function of the parameters; returns the outputs, floating arrays or a pytree of them.
        loss_fn: a pure function of the outputs; returns a scalar [].
        params: a pytree of floating arrays.

    Returns:
        The gradient of loss_fn(model_fn(params)), and the function of a vector of the form of `params` that returns
        the product J^T H_L J vector.

    Raises:
        InputError: when a leaf of `params` or of the outputs is not floating. The function raises it when a vector has
            another form.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import linear_ggn
        >>> gradient, product = linear_ggn(lambda x: x**2, lambda z: (z**2).sum() / 2, jnp.array([1.0, 2.0]))
        >>> gradient.tolist(), product(jnp.array([1.0, 1.0])).tolist()
        ([2.0, 16.0], [4.0, 16.0])
    """
    params = floating(params)
    gradient, product = _ggn(model_fn, loss_fn, params)
    return gradient(), lambda vector: product(alike(vector, params, "vector"))


def ggn_vps(model_fn: Model, loss_fn: Loss, params: Tree, vectors: Tree, *, batch_size: int | None = None) -> Tree:
    """Compute the products of the Gauss-Newton matrix with many vectors; model and loss are linearised once.

    Args:
        model_fn: a pure function of the parameters; returns the outputs, floating arrays or a pytree of them.
        loss_fn: a pure function of the outputs; returns a scalar [].
        params: a pytree of floating arrays.
        vectors: as `params`, with one more axis of K vectors in front of every leaf.
        batch_size: how many vectors are multiplied at a time; None for one by one, which is fastest on a CPU.

    Returns:
        The K products, in the form of `vectors`.

    Raises:
        InputError: when a leaf of `params` or of the outputs is not floating, or `vectors` have another form.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import ggn_vps
        >>> ggn_vps(lambda x: x**2, lambda z: (z**2).sum() / 2, jnp.array([1.0, 2.0]), jnp.eye(2)).tolist()
        [[4.0, 0.0], [0.0, 16.0]]
    """
    params = floating(params)
    vectors = alike(vectors, params, "vectors", stacked=True)
    return jax.lax.map(_ggn(model_fn, loss_fn, params)[1], vectors, batch_size=batch_size)


def _ggn(model_fn: Model, loss_fn: Loss, params: Tree) -> tuple[Callable[[], Tree], Product]:
    """Return functions of nothing and of a vector: the gradient, and the Gauss-Newton product."""
    outputs, pullback = jax.vjp(model_fn, params)
    outputs = floating(outputs, "outputs of model_fn")
    by_outputs, output_product = jax.linearize(jax.grad(loss_fn), outputs)
    # The pullback is linear; its transpose is J itself, in the custom rules' own terms.
    pushforward = jax.linear_transpose(lambda cotangents: pullback(cotangents)[0], outputs)

    def product(vector: Tree) -> Tree:
        (pushed,) = pushforward(vector)
        return pullback(output_product(pushed))[0]

    return lambda: pullback(by_outputs)[0], product
