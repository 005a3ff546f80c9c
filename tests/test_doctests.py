"""The examples in docstrings run and print what they say."""

import doctest
import importlib
from pathlib import Path

import jax
import pytest

import jaxsize

ROOT = Path(jaxsize.__file__).parent
MODULES = sorted(
    ".".join(("jaxsize", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    with jax.numpy_rank_promotion("allow"), jax.debug_key_reuse(False):  # a user's process is less strict than tests
        result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted and not result.failed
