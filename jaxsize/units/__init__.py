"""Units of any network: which belong together, how they are removed or put in another order, and what they cost."""

from jaxsize.units._group import Group
from jaxsize.units._places import Place
from jaxsize.units.activations import activations
from jaxsize.units.compaction import Compacted, compact
from jaxsize.units.groups import UnitGroups
from jaxsize.units.padding import pad_units
from jaxsize.units.prices import Per, unit_prices
from jaxsize.units.pruning import prune_by_magnitude
from jaxsize.units.reading import unit_groups
from jaxsize.units.reordering import reorder_units
from jaxsize.units.requirements import are_signed, require_closing_gates
from jaxsize.units.resizable import resizable
from jaxsize.units.sizes import input_gates, network_sizes

__all__ = [
    "Compacted",
    "Group",
    "Per",
    "Place",
    "UnitGroups",
    "activations",
    "are_signed",
    "compact",
    "input_gates",
    "network_sizes",
    "pad_units",
    "prune_by_magnitude",
    "reorder_units",
    "require_closing_gates",
    "resizable",
    "unit_groups",
    "unit_prices",
]
