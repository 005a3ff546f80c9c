"""Programs compiled in a hurry, for tests of what does not hang on machine code.

Most of the time of a study's smoke test was LLVM's. What a study does with its runs is the same however they are
compiled; that numbers are right, and the same to the last bit, is tested by the packages below with XLA's own choices.
"""

import os

import jax
import pytest

from jaxsize.programs import run_axis

QUICKLY = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}
PLACES = {"benchmarks", "experiments", "studies", "widths", "test_examples.py"}  # folders of tests, files beside them


def compile_quickly(patch: pytest.MonkeyPatch) -> None:
    """Compile the programs of batches quickly, here and in the processes that tests start."""
    patch.setattr(run_axis, "COMPILER_OPTIONS", QUICKLY)
    jax.jit(lambda: 0)()  # reads XLA_FLAGS, once: this process keeps XLA's own choices for all other programs
    flags = [f"--{name}={str(value).lower()}" for name, value in QUICKLY.items()]
    patch.setenv("XLA_FLAGS", " ".join([os.environ.get("XLA_FLAGS", ""), *flags]).strip())
