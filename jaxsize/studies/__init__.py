"""Studies as declared pages: arms, tables, claims and pictures, the command, the results folder, the report."""

from jaxsize.studies import grids, opening, pages, questions, summary
from jaxsize.studies.arms import Arms, ArmView
from jaxsize.studies.choosing import across, between, each, versus
from jaxsize.studies.claims import (
    Claim,
    above,
    all_parts,
    any_part,
    below,
    equal,
    exactly,
    gain,
    gains,
    listed,
    still_open,
    within,
)
from jaxsize.studies.command_line import Command
from jaxsize.studies.flags import DatasetFlags, Flags, FormsFlags, TrainingFlags, flag, listing
from jaxsize.studies.pictures import Picture, per
from jaxsize.studies.report import write_report
from jaxsize.studies.setup import Arm, Setup
from jaxsize.studies.study import Learned, Study
from jaxsize.studies.tables import columns

__all__ = [
    "Arm",
    "ArmView",
    "Arms",
    "Claim",
    "Command",
    "DatasetFlags",
    "Flags",
    "FormsFlags",
    "Learned",
    "Picture",
    "Setup",
    "Study",
    "TrainingFlags",
    "above",
    "across",
    "all_parts",
    "any_part",
    "below",
    "between",
    "columns",
    "each",
    "equal",
    "exactly",
    "flag",
    "gain",
    "gains",
    "grids",
    "listed",
    "listing",
    "opening",
    "pages",
    "per",
    "questions",
    "still_open",
    "summary",
    "versus",
    "within",
    "write_report",
]
