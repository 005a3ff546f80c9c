"""What the tests of `python -m experiments.sparsifier` share."""

from jaxsize.results import BatchRows

SMALL = ["--num-seeds", "2", "--penalties", "0.1", "--start-widths", "12", "--batch-size", "256"]


def rows_of(folder):
    rows = BatchRows(folder / "rows").read()
    return [{key: value for key, value in row.items() if not key.endswith("seconds")} for row in rows]


def num_lines(folder):
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("rows/*.jsonl"))
