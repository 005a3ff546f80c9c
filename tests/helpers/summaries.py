"""A made-up summary of a study that holds everything a summary can hold, and PNG pictures made by hand."""

import struct
import zlib
from typing import Any

from jaxsize.statistics import Estimate, claim, describe, verdict
from jaxsize.statistics.verdicts import Verdict


def png(width: int, height: int) -> bytes:
    """A picture of one grey."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def estimate(value: float | None, low: float | None, high: float | None, n: int, p: float | None = None) -> Estimate:
    return Estimate(value, low, high, 0.95, n, "Wilcoxon signed-rank <exact>", p, "" if value else "1 of 3 dropped")


def part(value: float, n: int, **label: Any) -> tuple[dict[str, Any], Estimate, Verdict]:
    made = estimate(value, value - 0.5, value + 0.5, n, 0.03125 if n >= 6 else None)
    return label, made, verdict(made, "positive")


def a_claim(value: float = 2.0, n: int = 8, datasets: tuple[str, ...] = ("digits",)) -> dict[str, Any]:
    """A claim that holds for a value above .5 and is refuted below -.5, if n is at least 6."""
    return claim("sizes grow", [part(value, n, dataset=name) for name in datasets])


def a_summary(**changes: Any) -> dict[str, Any]:
    """A summary of every kind of content; `changes` replace its entries."""
    untested: dict[str, Any] = {"claim": "<b>text</b> & more", "verdict": "not tested", "reason": "x < y", "parts": []}
    undecided = claim(
        "about twice",
        [
            part(1.0, 8, dataset="digits"),
            ({"of": "ratio"}, estimate(None, None, None, 0), Verdict("open", "no values")),
        ],
    )
    undecided |= {"verdict": "not decided", "settle": "the source's words do not decide this"}
    undecided["parts"][1]["uninformative"] = "the sizes agree"
    wide = {f"column_{i}_accuracy": describe([0.5, 0.25, 0.75]) for i in range(12)}
    long = "a_label_without_any_break_" * 6
    results = [
        {"dataset": "digits", "form": "original", "gate": "<script>alert(1)</script>", "size": describe([1, 2, 3]),
         "penalty": 1e-5, "widths": [98, 45], **wide},
        {"dataset": "digits", "form": "corrected", "gate": long, "size": describe([7.25] * 7), "live_units": None},
        {"dataset": "digits", "form": "original", "gate": "größe ≤ 2", "size": describe([]), "penalty": None,
         "gain": estimate(1.5, -2e-7, 1234.5678, 8, 0.01).as_dict(), "deep": True},
        {"dataset": "digits", "form": "corrected", "gate": "few", "size": describe([4, float("nan")])},
    ]  # fmt: skip
    return {
        "format": 1,
        "study": "made_up",
        "question": "Is 1 < 2 & “größer” — or not?",
        "command": "python -m experiments.made_up --num-seeds 2 --label 'a<b' " + "--very-long-flag 0.123456789 " * 8,
        "answer": ["A price of .001 left 98 of 500 units.", "5 < 6 & so on."],
        "settings": {"num_seeds": 2, "dataset": ["digits"], "rate": None, "resize": True, "prices": [0.1, 1e-7],
                     "nested": {"a": {"b": [1, 2]}}, "odd": "<i>x</i>", "none": []},
        "data": {"digits": {"source": "a_place_" * 30, "rows": {"train": 1000}}, "empty": {"source": None}},
        "results": results,
        "tables": {"Other < things": [{"a": 1, "b": describe([1, 2])}], "Nothing": []},
        "claims": {"original": {"C21": a_claim(-2.0), "C22": untested},
                   "corrected": {"C21": a_claim(2.0, n=2), "C25a, size": undecided, "C25a size": a_claim(2.0)}},
        "not_finite": [{"run": 3, "gate": "<fixed>", "seed": 1}],
        "collapsed": [4, 5],
        "pictures": [{"file": "sizes.png", "title": "sizes < digits", "caption": "Sizes \"against\" epochs & more."},
                     {"file": "small.png", "title": "small", "caption": "A small one."}],
        "something_new": {"of": ["a", {"later": "version"}]},
        **changes,
    }  # fmt: skip


def write_pictures(folder: Any) -> None:
    """Write the pictures that `a_summary` names."""
    (folder / "sizes.png").write_bytes(png(1500, 400))
    (folder / "small.png").write_bytes(png(200, 100))
