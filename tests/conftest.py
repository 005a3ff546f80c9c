"""Stricter than users' code: warnings are errors (pyproject.toml), ranks never promote, a key is used once."""

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 4)  # the run axis is tested on several devices, whatever the machine has
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)


@pytest.fixture(scope="session", autouse=True)
def save_every_epoch():
    """Every epoch is saved, however short: what is saved is tested."""
    from jaxsize.training import _loop as loop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "SAVE_SECONDS", 0.0)
        yield


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture
def command(request, monkeypatch, programs, capsys):
    """Runs an experiment's command in this process: (exit status, standard output, standard error).

    That of the sparsifier, unless the test's module has another `COMMAND`.
    """
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "4")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(programs))

    from experiments import sparsifier

    default = getattr(request.module, "COMMAND", sparsifier.COMMAND)

    def call(*arguments, study=default):
        status = study.main(list(arguments))
        return (status, *capsys.readouterr())

    return call
