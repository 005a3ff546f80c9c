"""Studies as commands: flags, one-line errors, data sets, the results folder, and answers in words."""

from jaxsize.studies import opening, study, summary
from jaxsize.studies.command_line import Command
from jaxsize.studies.flags import Flags, FormsFlags, flag, listing

__all__ = [
    "Command",
    "Flags",
    "FormsFlags",
    "flag",
    "listing",
    "opening",
    "study",
    "summary",
]
