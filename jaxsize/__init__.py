"""jaxsize: learn how large a neural network should be while training it.

At the root: gates, penalties, layers and networks, pure functions; `unit_groups` and `compact`, which remove units from
any network; networks saved and loaded. All else is in sub-packages, which are imported when they are first used:
`jaxsize.learners`, `jaxsize.programs`, `jaxsize.training`, `jaxsize.data`, ... Importing jaxsize reads no data and
touches no device.

Example:
    >>> import jax, jaxsize
    >>> network = jaxsize.mlp((4, 8, 2))
    >>> params = network.init(0)
    >>> network.apply(params, jax.numpy.ones((3, 4))).shape
    (3, 2)
    >>> params["hidden"][0]["liveness"][2:] = 0
    >>> groups = jaxsize.unit_groups(network.apply, params, jax.numpy.ones((3, 4)))
    >>> small = jaxsize.compact(groups, params, groups.live(params))
    >>> small.params["hidden"][0]["kernel"].shape
    (4, 2)
"""

import importlib
from typing import TYPE_CHECKING, Any

from jaxsize.errors import InputError
from jaxsize.export import fold_gates, load_network, save_network
from jaxsize.gates import (
    gated_conv,
    gated_matmul,
    group_norms,
    liveness_gate,
    liveness_penalty,
    relu,
    size_gate,
    size_gates,
    size_penalty,
)
from jaxsize.networks import Network, conv, dense, init_conv, init_dense, init_gate, mlp, unit_gates
from jaxsize.units import Compacted, Group, UnitGroups, compact, unit_groups

if TYPE_CHECKING:
    from jaxsize import (
        curvature,
        data,
        estimators,
        export,
        gates,
        learners,
        measures,
        networks,
        plots,
        programs,
        resizing,
        results,
        statistics,
        studies,
        sweeps,
        training,
        units,
        widths,
    )
    from jaxsize.widths import learn_widths

__version__ = "0.1.0"
_PACKAGES = (
    "curvature",
    "data",
    "estimators",
    "export",
    "gates",
    "learners",
    "measures",
    "networks",
    "plots",
    "programs",
    "resizing",
    "results",
    "statistics",
    "studies",
    "sweeps",
    "training",
    "units",
    "widths",
)
__all__ = [
    "Compacted",
    "Group",
    "InputError",
    "Network",
    "UnitGroups",
    "compact",
    "conv",
    "curvature",
    "data",
    "dense",
    "estimators",
    "export",
    "fold_gates",
    "gated_conv",
    "gated_matmul",
    "gates",
    "group_norms",
    "init_conv",
    "init_dense",
    "init_gate",
    "learn_widths",
    "learners",
    "liveness_gate",
    "liveness_penalty",
    "load_network",
    "measures",
    "mlp",
    "networks",
    "plots",
    "programs",
    "relu",
    "resizing",
    "results",
    "save_network",
    "size_gate",
    "size_gates",
    "size_penalty",
    "statistics",
    "studies",
    "sweeps",
    "training",
    "unit_gates",
    "unit_groups",
    "units",
    "widths",
]


def __getattr__(name: str) -> Any:
    """Import what needs many packages when it is first asked for (PEP 562), so that `import jaxsize` stays quick."""
    if name in _PACKAGES:
        return importlib.import_module(f"jaxsize.{name}")
    if name == "learn_widths":
        return importlib.import_module("jaxsize.widths").learn_widths
    raise AttributeError(f"module 'jaxsize' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PACKAGES, "learn_widths"})
