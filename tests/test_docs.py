"""Pages name files that exist, and docs/architecture.md has a place for every file of the library and the studies."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page):
    named = re.findall(r"`((?:jaxsize|experiments|benchmarks|tests|docs)/[\w./]+)`", page.read_text())
    links = re.findall(r"\]\(([\w./-]+)\)", page.read_text())
    paths = [ROOT / path for path in named if "NAME" not in path] + [page.parent / link for link in links]
    assert [str(path) for path in paths if not path.exists()] == []


def test_every_file_has_its_place_in_the_architecture():
    page = (ROOT / "docs" / "architecture.md").read_text()
    files = [*(ROOT / "jaxsize").rglob("[!_]*.py"), *(ROOT / "jaxsize").rglob("_[a-z]*.py")]
    files += [path for path in (ROOT / "experiments").glob("*/[!_]*.py") if path.parent.name != "flags"]
    covered = ("sets", "_files")  # a file each, said in one line
    missing = [path for path in files if not re.search(rf"`{path.stem}(?:\.py)?`", page)]
    assert [str(path.relative_to(ROOT)) for path in missing if path.parent.name not in covered] == []
