"""The README's Python runs, and its two set-up lines are there."""

import re
from pathlib import Path
from typing import Any

import jaxsize

README = Path(__file__).parents[1] / "README.md"


def test_python_of_the_readme_runs_and_prints_what_it_says(capsys, monkeypatch, tmp_path):
    text = README.read_text()
    scaling, widths, training, fitting, study, removing = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    exec(compile(scaling, str(README), "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out == "True\n"
    learn, few = jaxsize.learn_widths, {"num_seeds": 1, "epochs": 2, "penalties": (1e-2,), "out": tmp_path / "widths"}
    monkeypatch.setattr(jaxsize, "learn_widths", lambda *given, **more: learn(*given, **more | few), raising=False)
    exec(compile(widths, str(README), "exec"), {"__name__": "readme"})
    assert f"{tmp_path / 'widths' / 'report.html'}\n" in capsys.readouterr().out
    exec(compile(training, str(README), "exec"), {"__name__": "readme"})
    alive, rest = capsys.readouterr().out.split(" ", 1)
    assert 10 < int(alive) < 95 and rest == "of 100 units are alive\n"
    exec(compile(fitting, str(README), "exec"), {"__name__": "readme"})
    kept, total, truth = re.fullmatch(
        r"\[(\d+)\] of 100 units, \(64, (\d+), 10\) (\w+)\n", capsys.readouterr().out
    ).groups()  # pyright: ignore[reportOptionalMemberAccess]
    assert 10 < int(kept) < 100 and kept == total and truth == "True"
    own: dict[str, Any] = {"__name__": "readme"}
    exec(compile(study, str(README), "exec"), own)
    assert len([line for line in study.splitlines() if line]) <= 40
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "4")
    assert own["STUDY"].main(["--num-seeds", "6", "--epochs", "10", "--out", str(tmp_path / "r")]) == 0
    assert "faster, corrected: a rate of .01 ends with a lower error: HOLDS" in capsys.readouterr().out
    assert (tmp_path / "r" / "report.html").exists() and (tmp_path / "r" / "curves_abs.png").exists()
    exec(compile(removing, str(README), "exec"), {"__name__": "readme"})
    (printed,) = re.findall(r"```\n(liveness.*?)```", text, flags=re.S)
    assert capsys.readouterr().out == printed


def test_two_lines_set_everything_up():
    lines = re.findall(r"^python3 -m venv .*$", README.read_text(), flags=re.M)
    assert ["experiments.sparsifier" in line for line in lines] == [True, False]
    assert lines[1].endswith("-m pytest")
