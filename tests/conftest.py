"""Stricter than users' code: warnings are errors (pyproject.toml), ranks never promote, a key is used once."""

import jax

jax.config.update("jax_num_cpu_devices", 4)  # the run axis is tested on several devices, whatever the machine has
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)
