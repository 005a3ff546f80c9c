"""Studies as commands: flags, one-line errors, data sets, the results folder, answers in words and as a page."""

from jaxsize.studies import grids, opening, pages, study, summary
from jaxsize.studies.command_line import Command
from jaxsize.studies.flags import Flags, FormsFlags, flag, listing
from jaxsize.studies.report import write_report

__all__ = [
    "Command",
    "Flags",
    "FormsFlags",
    "flag",
    "grids",
    "listing",
    "opening",
    "pages",
    "study",
    "summary",
    "write_report",
]
