"""Names of primitives of `jax.lax` by what they do with the entries of their operands."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Functions of each entry alone. Those of the first set are 0 where all their operands are 0.
ZERO_AT_ZERO = _names(
    "neg sign floor ceil round abs tanh sin tan asin atan sinh asinh atanh sqrt cbrt erf expm1 log1p square copy "
    "convert_element_type reduce_precision real imag conj complex name optimization_barrier device_put "
    "sharding_constraint stop_gradient add sub add_any or xor max min select_n population_count mulhi bessel_i1e"
)
ELEMENTWISE = ZERO_AT_ZERO | _names(
    "mul and div rem pow integer_pow clamp exp exp2 log cos acos cosh acosh logistic rsqrt erfc erf_inv lgamma digamma "
    "one_minus_square log2 "  # of jax 0.11; the former in the derivative of tanh
    "atan2 nextafter is_finite not clz eq ne lt le gt ge eq_to lt_to le_to bessel_i0e igamma igammac igamma_grad_a "
    "polygamma zeta regularized_incomplete_beta shift_left shift_right_logical shift_right_arithmetic"
)
SIDE_BY_SIDE = _names("optimization_barrier device_put sort")
"""The result of a number comes from the operand of the same number alone (`sort` moves its entries)."""
REDUCTIONS = _names("reduce_sum reduce_max reduce_min reduce_prod reduce_and reduce_or reduce_xor argmax argmin")
POOLINGS = _names(
    "reduce_window reduce_window_sum reduce_window_max reduce_window_min select_and_gather_add select_and_scatter_add"
)
CUMULATIVE = _names("cumsum cumprod cummax cummin cumlogsumexp")
SCATTERS = _names("scatter scatter-add scatter-sub scatter-mul scatter-min scatter-max")
MATRIX_FUNCTIONS = _names(
    "cholesky eig eigh hessenberg householder_product lu qr schur svd triangular_solve tridiagonal"
)
CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "call": "call_jaxpr",
    "custom_vmap_call": "call",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
"""Primitives that call a function, with the name of the parameter that holds it."""
