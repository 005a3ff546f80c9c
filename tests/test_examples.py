"""The examples run, at a small scale, and the code of docs/extending.md prints what the page says."""

import re
import runpy
import sys
from pathlib import Path

import jax
import pytest
import sklearn.datasets

import jaxsize

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SMALL = {"num_seeds": 2, "epochs": 2, "penalties": (1e-2,)}


@pytest.mark.parametrize("name", ["nnx_widths", "flax_cnn"])
def test_networks_of_other_libraries_learn_their_widths(name, monkeypatch, tmp_path, capsys):
    code = (EXAMPLES / f"{name}.py").read_text()
    assert len([line for line in code.split('"""', 2)[2].splitlines() if line]) <= 25
    learn = jaxsize.learn_widths
    small = {"gate_learning_rate": 0.02, "out": tmp_path / "r", **SMALL}

    def learn_little(*arguments, **settings):
        return learn(*arguments, **settings | small)

    monkeypatch.setattr(jaxsize, "learn_widths", learn_little, raising=False)
    runpy.run_path(str(EXAMPLES / f"{name}.py"))
    assert (tmp_path / "r" / "report.html").exists() and "A price of 0.01 per unit left" in capsys.readouterr().out


def test_a_study_of_ones_own(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", str(jax.device_count()))
    code = (EXAMPLES / "seed_study.py").read_text()
    assert len([line for line in code.split('"""', 2)[2].splitlines() if line]) <= 25
    study = runpy.run_path(str(EXAMPLES / "seed_study.py"))["STUDY"]
    assert study.main(["--num-seeds", "6", "--epochs", "5", "--out", str(tmp_path / "r")]) == 0
    assert "faster, corrected: a rate of .01 ends better: HOLDS" in capsys.readouterr().out


def test_many_seeds_of_a_loop(monkeypatch, capsys):
    monkeypatch.setattr(jaxsize.programs, "use_all_cores", lambda: None)  # JAX has begun here
    runpy.run_path(str(EXAMPLES / "run_axis.py"))
    assert re.fullmatch(r"RunAxis: [\d.]+ s for 32 runs\nvmap: [\d.]+ s for 32 runs\n", capsys.readouterr().out)


def test_a_grid_search(monkeypatch, capsys):
    load = sklearn.datasets.load_digits
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda **how: tuple(of[:600] for of in load(**how)))
    runpy.run_path(str(EXAMPLES / "grid_search.py"))
    accuracy = float(re.findall(r"test accuracy ([\d.]+)", capsys.readouterr().out)[0])
    assert accuracy > 0.9


def test_a_table_in_one_command(monkeypatch, tmp_path, capsys):
    from experiments.sparsifier import COMMAND

    table = tmp_path / "flats.csv"
    monkeypatch.setattr(sys, "argv", ["table.py", str(table)])
    runpy.run_path(str(EXAMPLES / "table.py"))
    words = ["--dataset", str(table), "--target", "rent", "--smoke", "--out", str(tmp_path / "r")]
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", str(jax.device_count()))
    assert COMMAND.main(words) == 0
    assert "flats" in capsys.readouterr().out


def test_python_of_the_page_on_extending_prints_what_it_says(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", str(jax.device_count()))
    text = (ROOT / "docs" / "extending.md").read_text()
    names = {"__name__": "extending", "folder": tmp_path / "r"}
    blocks = re.findall(r"```(\w*)\n(.*?)```", text, flags=re.S)
    for (kind, code), (after, printed) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind != "python":
            continue
        capsys.readouterr()
        exec(compile(code, "extending.md", "exec"), names)
        if not after:
            assert capsys.readouterr().out.endswith(printed)
    assert names["STUDY"].main(["--num-seeds", "2", "--epochs", "2", "--out", str(tmp_path / "own")]) == 0
