"""What the tests of `python -m experiments.sparsifier` share."""

import json

SMALL = ["--num-seeds", "2", "--penalties", "0.1", "--start-width", "12", "--batch-size", "256"]


def rows_of(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if not key.endswith("seconds")} for row in rows]


def num_lines(folder):
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0
