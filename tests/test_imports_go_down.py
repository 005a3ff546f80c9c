"""Imports go down only: between packages in the order of docs/architecture.md, and between files without a circle."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = [  # a package imports from those before it
    *("errors", "trees", "text_tables", "curvature", "statistics", "data", "resizing", "results", "gates", "plots"),
    *(
        "networks",
        "units",
        "export",
        "measures",
        "learners",
        "programs",
        "estimators",
        "training",
        "sweeps",
        "studies",
        "widths",
    ),
]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for folder in ("jaxsize", "experiments", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def imported(path: Path) -> set[str]:
    """The project's modules that a file imports, wherever in the file; of a package, its `__init__`."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules |= {name if name in FILES or f"{name}.__init__" in FILES else node.module for name in names}
    return {name if name in FILES else f"{name}.__init__" for name in modules} & set(FILES)


IMPORTS = {name: imported(path) for name, path in FILES.items()}


def test_packages_import_from_those_before_them():
    assert set(PACKAGES) == {name.split(".")[1] for name in FILES if name.startswith("jaxsize.")} - {"__init__"}
    upward = []
    for name, modules in IMPORTS.items():
        if not name.startswith("jaxsize.") or name == "jaxsize.__init__":
            continue
        own = name.split(".")[1]
        for module in modules:
            top, other = module.split(".")[:2]
            if top != "jaxsize" or other == "__init__" or PACKAGES.index(other) > PACKAGES.index(own):
                upward.append(f"{name} imports {module}")
    assert not upward


def test_files_import_in_no_circle():
    TopologicalSorter(IMPORTS).prepare()  # raises, naming the circle


def test_an_upward_import_would_be_noticed(tmp_path):
    path = tmp_path / "below.py"
    path.write_text("def late():\n    from jaxsize.training import train\n    from jaxsize import studies\n")
    assert imported(path) == {"jaxsize.training.__init__", "jaxsize.studies.__init__"}


@pytest.mark.parametrize("folder", ["experiments", "benchmarks"])
def test_what_uses_the_library_comes_in_by_its_doors(folder):
    """No study imports a private module; two benchmarks take the training loop apart."""
    private = {
        f"{name} imports {module}"
        for name, modules in IMPORTS.items()
        if name.split(".")[0] == folder
        for module in modules
        if module.startswith("jaxsize.") and any(re.match("_[a-z]", part) for part in module.split("."))
    }
    taken_apart = ("jaxsize.programs._program", "jaxsize.training._teams")
    allowed = {f"benchmarks.shrinking imports {module}" for module in taken_apart}
    allowed |= {"benchmarks.wrong_inputs imports jaxsize.training._loop"}  # how often is saved
    assert private == (allowed if folder == "benchmarks" else set())
