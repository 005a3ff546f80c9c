"""Programs compiled in a hurry: most of the time of the tests was spent in LLVM, on programs that run for milliseconds.

What the library does with its runs is the same however they are compiled, and so is what equals an independent answer.
Tests of numbers that rest on how machine code is made (rounding in fused loops, memory, runs that are the same to the
last bit in programs of different shapes) ask for XLA's own choices: `jit_for_users`, or `programs_for_users` for
programs of batches.
"""

import contextlib
import os
from unittest import mock

QUICKLY = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
FOR_USERS = {  # the defaults of XLA
    "xla_backend_optimization_level": 3,
    "xla_llvm_disable_expensive_passes": False,
    "xla_cpu_use_fusion_emitters": True,
    "xla_cpu_parallel_codegen_split_count": 32,
}


def compile_quickly() -> None:
    """Compile quickly, here and in the processes that are started from here. Call it before JAX begins.

    What the user has chosen in XLA_FLAGS stays chosen.
    """
    flags = [f"--{name}={str(value).lower()}" for name, value in QUICKLY.items()]
    os.environ["XLA_FLAGS"] = " ".join([*flags, os.environ.get("XLA_FLAGS", "")]).strip()


def jit_for_users(function):
    """`jax.jit`, with the choices of XLA that users have."""
    import jax

    return jax.jit(function, compiler_options=FOR_USERS)


@contextlib.contextmanager
def programs_for_users():
    """Within it, programs of batches are compiled with the choices of XLA that users have."""
    from jaxsize.programs import run_axis

    with mock.patch.object(run_axis, "COMPILER_OPTIONS", FOR_USERS):
        yield
