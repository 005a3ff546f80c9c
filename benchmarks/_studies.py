"""Small studies that `benchmarks.kills` and `benchmarks.wrong_inputs` start, and what has to be equal at their ends."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.results import BatchRows
from jaxsize.results.json_files import read_json

REPOSITORY = Path(__file__).parent.parent
SMALL = {
    "sparsifier": "--num-seeds 2 --penalties 0.3 --start-widths 12 --batch-size 256 --epochs 12 --learning-rate 0.1",
    "compress": "--num-seeds 1 --penalties 0.3 --start-width 12 --batch-size 256 --epochs 5 --learning-rate 0.1 "
    "--static-epochs 6 --partners from_scratch from_found pruned",
    "flexible": "--smoke --form corrected",
    "random_slope": "--form corrected --num-seeds 2 --gates fixed --batch-size 8 --epochs 6",
    "size_only": "--smoke --form corrected",
}
"""Flags by study. Units are removed in the first two, a layer is widened in `random_slope`."""
HASTILY = """
import importlib, sys
from jaxsize.resizing import Shrinking
from jaxsize.training import _loop
_loop.SAVE_SECONDS = 0.0
study = importlib.import_module("experiments.{study}.study") if "{study}" in ("sparsifier", "compress") else None
if study:
    study.Shrinking = lambda: Shrinking(program_cost=0, multiple=4, factor=1.0, hysteresis=0, ahead=False)
sys.exit(importlib.import_module("experiments.{study}").COMMAND.main(sys.argv[1:]))
"""
"""A study that is saved after every epoch, and whose dead units are removed at once, however few they are."""
MEASURED = ("seconds", "overhead", "equal time", "p_value_holm")
"""Words in the keys of a summary whose values are measured in seconds, or adjusted for claims that are."""


def start(study: str, folder: Path, cache: Path) -> subprocess.Popen:
    """Start a study, or go on with it, saving after every epoch; its output goes to pipes.

    Args:
        study: a key of `SMALL`.
        folder: its results folder.
        cache: the folder of compiled programs.
    """
    command = [
        sys.executable,
        "-c",
        HASTILY.format(study=study),
        *SMALL[study].split(),
        "--out",
        str(folder),
        "--resume",
    ]
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_NUM_CPU_DEVICES": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, cwd=REPOSITORY, **pipes)


def outcome(folder: Path) -> dict[str, Any]:
    """Collect what a finished study has found: rows, summary, networks and histories, without what is seconds.

    What `compress` says of equal time depends on measured seconds: those parts of its claims and gains are left out.
    """
    rows = [
        {key: v for key, v in row.items() if not key.endswith("seconds")} for row in BatchRows(folder / "rows").read()
    ]
    networks = {path.parent.name: path.read_bytes() for path in sorted(folder.glob("networks/*/weights.safetensors"))}
    steps = {path.name: np.load(path).tobytes() for path in sorted(folder.glob("steps/*.npy"))}
    return {"rows": rows, "summary": _kept(read_json(folder / "summary.json")), "networks": networks, "steps": steps}


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _kept(v) for k, v in value.items() if not any(word in k for word in MEASURED)}
    if isinstance(value, list):
        return [_kept(entry) for entry in value if not (isinstance(entry, dict) and entry.get("budget") == "time")]
    return value
