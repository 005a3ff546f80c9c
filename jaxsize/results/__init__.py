"""A study's results folder: rows, histories, checkpoints and a summary that another program can read."""

from jaxsize.results import checkpoints, json_files
from jaxsize.results.folder import Folder, open_folder, versions
from jaxsize.results.rows import BatchRows, Rows
from jaxsize.results.runs import Runs
from jaxsize.results.scores import score_columns, score_sign
from jaxsize.results.step_arrays import StepArray, write_arrays

__all__ = [
    "BatchRows",
    "Folder",
    "Rows",
    "Runs",
    "StepArray",
    "checkpoints",
    "json_files",
    "open_folder",
    "score_columns",
    "score_sign",
    "versions",
    "write_arrays",
]
