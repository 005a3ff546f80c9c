"""The table of primitives: what the walks do with each that JAX has, complete for the JAX that is installed."""

import jax
import jax.numpy as jnp
import pytest
from helpers.groups import shape
from jax.extend.core import primitives

from jaxsize.units._program.axis_rules import RULES
from jaxsize.units._program.primitives import CALLS, ELEMENTWISE
from jaxsize.units.reading import unit_groups

ENTRY_BY_ENTRY = """
abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp clz complex conj
convert_element_type copy cos cosh device_put digamma div eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge gt igamma
igamma_grad_a igammac imag integer_pow is_finite le le_to lgamma log log1p log2 logistic lt lt_to max min mul mulhi name
ne neg nextafter not one_minus_square optimization_barrier or polygamma population_count pow real reduce_precision
regularized_incomplete_beta rem round rsqrt select_n sharding_constraint shift_left shift_right_arithmetic
shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh xor zeta
"""
SUM_OVER_UNITS = """
conv_general_dilated dot_general ragged_dot_general reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum
reduce_xor
"""
MOVE_AND_CUT = "broadcast_in_dim concatenate iota pad reshape slice split squeeze stack tile transpose"
# Of these, one axis or a few are fixed, those along which they work; all others pass through.
ALONG_SOME_AXES = """
argmax argmin bitcast_convert_type cholesky cumlogsumexp cummax cummin cumprod cumsum dynamic_slice dynamic_update_slice
eig eigh fft gather hessenberg householder_product lu qr reduce reduce_window reduce_window_max
reduce_window_min reduce_window_sum rev scan scatter scatter-add scatter-max scatter-min scatter-mul scatter-sub schur
select_and_gather_add select_and_scatter_add sort svd top_k triangular_solve tridiagonal unstack while
"""
# What is drawn is other numbers of the same law; along the axes that operands have, it is theirs.
DRAWS = """
random_bits random_clone random_fold_in random_gamma random_seed random_split random_unwrap random_wrap
rng_bit_generator rng_uniform threefry2x32
"""
OPENED_UP = """
call checkpoint closed_call cond core_call custom_jvp_call custom_vjp_call custom_vmap_call jit pjit remat2
"""
FIX_ALL_AXES = """
after_all all_gather all_gather_invariant all_gather_reduced all_to_all approx_top_k axis_index create_token
custom_lin custom_linear_solve dce_sink empty empty2 eval_jaxpr get infeed outfeed pbroadcast pcast pmax pmin pmean
ppermute psend precv psum psum_invariant psum_scatter pvary ragged_all_to_all
reduce_scatter reshard select_and_scatter shard_map stage swap tridiagonal_solve unreduced_psum unreduced_reduce_scatter
"""
TABLE = {
    name: kind
    for kind, names in {
        "entry by entry": ENTRY_BY_ENTRY,
        "sums over units": SUM_OVER_UNITS,
        "moves and cuts": MOVE_AND_CUT,
        "along some axes": ALONG_SOME_AXES,
        "draws": DRAWS,
        "opened up": OPENED_UP,
        "fixes all axes": FIX_ALL_AXES,
    }.items()
    for name in names.split()
}


def test_every_primitive_of_jax_has_a_line():
    installed = {getattr(jax.lax, name).name for name in dir(jax.lax) if name.endswith("_p")}
    installed |= {getattr(primitives, name).name for name in dir(primitives) if name.endswith("_p")}
    assert installed <= set(TABLE), f"add a line, and a rule if there is one: {sorted(installed - set(TABLE))}"


def test_the_table_says_what_the_walks_do():
    with_rule = {"entry by entry": ELEMENTWISE, "opened up": {*CALLS, "cond"}}
    for name, kind in TABLE.items():
        known = [name in ELEMENTWISE, name in RULES, name in CALLS or name == "cond"]
        assert sum(known) == (kind != "fixes all axes"), (name, kind)
        if kind in with_rule:
            assert name in with_rule[kind], (name, kind)
    assert set(RULES) | ELEMENTWISE | set(CALLS) <= set(TABLE)


def gated(then):
    def apply(params, x):
        units = jnp.tanh(x @ params["kernel"]) * jax.nn.relu(params["liveness"])[None]
        return then(units) @ params["output"]

    return apply


# What JAX does with units in ways that no rule follows, or not along units: none of it is a crash, or exact.
KEY = jax.random.key(0)
REFUSED = {
    "split keys": lambda h: h + jax.vmap(lambda key: jax.random.normal(key, (h.shape[1],)))(jax.random.split(KEY, 4)),
    "a permutation": lambda h: jax.random.permutation(KEY, h, axis=1),
    "categorical": lambda h: h * jax.random.categorical(KEY, h)[:, None],
    "truncated": lambda h: h + jax.random.truncated_normal(KEY, -1, 1, h.shape),
    "a sort of units": lambda h: jnp.sort(h, 1),
    "the largest units": lambda h: h * jax.lax.top_k(h, 2)[0].sum(1, keepdims=True),
    "a solve": lambda h: jnp.linalg.solve(h.T @ h + jnp.eye(h.shape[1]), h.T).T,
    "eigenvalues": lambda h: h * jnp.linalg.eigvalsh(h.T @ h)[None],
    "a sum in order": lambda h: jnp.cumsum(h, 1),
    "a hidden update": lambda h: h.at[:, 1:3].add(1.0),
    "an index from a loop": lambda h: jax.lax.fori_loop(0, 3, lambda i, c: c + h[:, i, None], h),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_rule_follows_is_refused(name):
    params = {"kernel": shape(5, 6), "liveness": shape(6), "output": shape(6, 3)}
    groups = unit_groups(gated(REFUSED[name]), params, shape(4, 5))
    of_units = [group for group in groups.groups.values() if any(place.leaf == "liveness" for place in group.places)]
    assert of_units and not any(group.exact and group.size == 6 for group in of_units), str(groups)
