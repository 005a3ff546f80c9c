"""Lists of settings and seeds as batches of runs, and the networks that the ones found are compared with."""

from jaxsize.sweeps import columns, cutting, layer_rates, partners, penalties, sizes
from jaxsize.sweeps.layer_rates import layer_rate_sweep
from jaxsize.sweeps.partners import Partner, partner_batches, random_widths
from jaxsize.sweeps.penalties import penalty_sweep, save_networks
from jaxsize.sweeps.settings import setting_sweep
from jaxsize.sweeps.sizes import size_sweep

__all__ = [
    "Partner",
    "columns",
    "cutting",
    "layer_rate_sweep",
    "layer_rates",
    "partner_batches",
    "partners",
    "penalties",
    "penalty_sweep",
    "random_widths",
    "save_networks",
    "setting_sweep",
    "size_sweep",
    "sizes",
]
