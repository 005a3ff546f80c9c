"""Estimators are tested with programs that are not optimised: compiling them is most of the time of every test."""

import jax
import pytest
from helpers.compiling import QUICKLY

from jaxsize.estimators import _estimator, _training


@pytest.fixture(scope="session", autouse=True)
def quick_compiler():
    quick = jax.jit(_training.all_epochs, static_argnums=0, compiler_options=QUICKLY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_estimator, "train", quick)
        yield
