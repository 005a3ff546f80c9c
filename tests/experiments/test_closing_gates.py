"""Studies with a price on gates: units can die in every smoke, and a user is told before training where none can."""

import dataclasses

import pytest

from experiments import compress, death_rules, sparsifier, start_size
from jaxsize.data import load
from jaxsize.studies import Setup, study

STUDIES = [one.STUDY for one in (compress, death_rules, sparsifier, start_size)]
EARLY = "digits: 120 steps at gate rate 0.001: no gate can close (about 1000 are needed)"
CURE = "; raise --gate-learning-rate or --epochs"


def cautions(one, **flags):
    given = one.flags(**{**one.presets["smoke"], **flags})
    given.check()
    setup = Setup(flags=given, dataset=one.prepare(load("digits"), given), form="corrected", values={"depth": 1})
    return list(one.cautions(setup))


@pytest.mark.parametrize("one", STUDIES, ids=lambda one: one.name)
def test_units_can_die_in_a_smoke_and_not_at_the_rate_of_the_weights(one):
    assert cautions(one) == []
    (line,) = cautions(one, gate_learning_rate=1e-3)
    assert line == EARLY + CURE
    assert cautions(one, gate_learning_rate=1e-3, epochs=30) == []


@pytest.mark.parametrize("flags", [{"liveness_start": "uniform"}, {"gate_optimizer": "sgd"}])
def test_nothing_is_said_of_gates_near_0_or_moved_by_gradient_descent(flags):
    assert cautions(sparsifier.STUDY, gate_learning_rate=1e-3, **flags) == []


def test_the_line_comes_once_and_before_training(monkeypatch, tmp_path, capsys):
    def nothing(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "train", nothing)
    flags = compress.STUDY.flags(**compress.STUDY.presets["smoke"])
    flags = dataclasses.replace(flags, gate_learning_rate=1e-3, out=tmp_path / "r")
    with pytest.raises(KeyboardInterrupt):
        compress.STUDY.run(flags)
    assert capsys.readouterr().out.count("120 steps at gate rate 0.001: no gate can close") == 1  # of two depths
