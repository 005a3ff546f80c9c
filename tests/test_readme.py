"""The README's Python runs, and its two set-up lines are there."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_python_of_the_readme_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.S)
    exec(compile(code, str(README), "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out == "100 units are alive\n"  # ten steps of 1e-3 close no gate that starts at 1


def test_two_lines_set_everything_up():
    lines = re.findall(r"^python3 -m venv .*$", README.read_text(), flags=re.M)
    assert ["experiments.sparsifier" in line for line in lines] == [True, False]
    assert lines[1].endswith("-m pytest")
