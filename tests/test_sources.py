"""Every mark that the repository cites has its row in docs/sources.md, and no document is cited that is not here."""

import re
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("jaxsize", "experiments", "benchmarks", "tests", "docs")
MARK = r"[CDEJRS]\d{1,2}[a-z]?(?:-long)?(?: \([ivx]+\))?"
CODE = (tokenize.NAME, tokenize.NUMBER, tokenize.OP)


def prose(path: Path) -> str:
    """A page, or the comments and strings of a program, but for a string that is given as a colour."""
    if path.suffix == ".md":
        return path.read_text()
    with path.open("rb") as file:
        tokens = list(tokenize.tokenize(file.readline))
    colours = [index + 2 for index, token in enumerate(tokens) if token.string == "color"]
    return "\n".join(one.string for i, one in enumerate(tokens) if one.type not in CODE and i not in colours)


def test_every_mark_has_its_row_and_no_document_is_cited_that_is_not_here():
    paths = [*ROOT.glob("*.md"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*.[mp][dy]"))]
    texts = {str(path.relative_to(ROOT)): prose(path) for path in paths}
    rows = re.findall(rf"^\| ({MARK}) \|", texts["docs/sources.md"], flags=re.M)
    cited = {(mark, path) for path, text in texts.items() for mark in re.findall(rf"\b{MARK}(?!\w)", text)}
    assert len(rows) == len(set(rows)) and sorted(one for one in cited if one[0] not in rows) == []
    elsewhere = r"\b(?:DESIGN|HOUSE|PERFORMANCE|REFERENCE|STYLE)(?:'|\.md|\s(?:[A-Z]?\d|asks|says)).*"
    assert sorted((path, line) for path, text in texts.items() for line in re.findall(elsewhere, text)) == []
