"""Studies as declared pages: arms, tables, claims and pictures, the command, the results folder, the report."""

from jaxsize.studies import grids, opening, pages, summary
from jaxsize.studies.arms import Arms
from jaxsize.studies.choosing import across, between, each, versus
from jaxsize.studies.claims import Claim, any_part
from jaxsize.studies.command_line import Command
from jaxsize.studies.comparing import better, gain, gain_over, gains
from jaxsize.studies.flags import Flags, flag, listing
from jaxsize.studies.kinds_of_flags import DatasetFlags, FormsFlags, TrainingFlags
from jaxsize.studies.measuring import before_and_after
from jaxsize.studies.parts import above, below, equal, exactly, listed, still_open, trending, unclear, within
from jaxsize.studies.pictures import Picture, per
from jaxsize.studies.report import write_report
from jaxsize.studies.setup import Arm, Setup
from jaxsize.studies.study import Learned, Study
from jaxsize.studies.tables import columns
from jaxsize.studies.views import ArmView

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
    "any_part",
    "before_and_after",
    "below",
    "better",
    "between",
    "columns",
    "each",
    "equal",
    "exactly",
    "flag",
    "gain",
    "gain_over",
    "gains",
    "grids",
    "listed",
    "listing",
    "opening",
    "pages",
    "per",
    "still_open",
    "summary",
    "trending",
    "unclear",
    "versus",
    "within",
    "write_report",
]
