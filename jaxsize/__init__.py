"""jaxsize: learn how large a neural network should be while training it.

At the root: gates, penalties, layers and networks, pure functions; `unit_groups` and `compact`, which remove units from
any network; networks saved and loaded. They need JAX alone until they are called. All else is imported by module:
`jaxsize.training`, `jaxsize.sparsifier`, `jaxsize.runs`, `jaxsize.study`, `jaxsize.datasets`, `jaxsize.records`,
`jaxsize.statistics`, ... Importing jaxsize reads no data and touches no device.
"""

from jaxsize.compaction import Compacted as Compacted
from jaxsize.compaction import compact as compact
from jaxsize.export import fold_gates as fold_gates
from jaxsize.export import load_network as load_network
from jaxsize.export import save_network as save_network
from jaxsize.gates import gated_conv as gated_conv
from jaxsize.gates import gated_matmul as gated_matmul
from jaxsize.gates import liveness_gate as liveness_gate
from jaxsize.gates import relu as relu
from jaxsize.gates import size_gate as size_gate
from jaxsize.gates import size_gates as size_gates
from jaxsize.groups import Group as Group
from jaxsize.groups import UnitGroups as UnitGroups
from jaxsize.groups import unit_groups as unit_groups
from jaxsize.layers import conv as conv
from jaxsize.layers import dense as dense
from jaxsize.layers import init_conv as init_conv
from jaxsize.layers import init_dense as init_dense
from jaxsize.layers import init_gate as init_gate
from jaxsize.layers import unit_gates as unit_gates
from jaxsize.networks import Network as Network
from jaxsize.networks import mlp as mlp
from jaxsize.penalties import group_norms as group_norms
from jaxsize.penalties import liveness_penalty as liveness_penalty
from jaxsize.penalties import size_penalty as size_penalty

__version__ = "0.1.0"
