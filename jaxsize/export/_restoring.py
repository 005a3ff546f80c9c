"""A network of any kind, read back beside the function that runs it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxsize.export._any_network import expected_leaves, num_bytes, read_widths, require_leaves, table_of
from jaxsize.export._folders import named, read_arrays, require_checksum
from jaxsize.trees import Tree, with_leaves
from jaxsize.units import UnitGroups


class RestoredNetwork(NamedTuple):
    """A network that was saved with its unit groups.

    Example:
        >>> import os, tempfile
        >>> import jax.numpy as jnp, numpy as np
        >>> import jaxsize
        >>> def apply(params, inputs):
        ...     return (jnp.tanh(inputs @ params["in"]) * jaxsize.relu(params["liveness"])) @ params["out"]
        >>> params = {"in": np.ones((4, 3), "f4"), "liveness": np.array([1, 0, 1], "f4"), "out": np.ones((3, 2), "f4")}
        >>> groups = jaxsize.unit_groups(apply, params, np.ones((1, 4), "f4"))
        >>> small = jaxsize.compact(groups, params, groups.live(params))
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     folder = os.path.join(parent, "network")
        ...     jaxsize.save_network(folder, small.params, groups=small.groups, survivors=small.survivors)
        ...     saved = jaxsize.load_network(folder, groups=groups)
        >>> saved.params["in"].shape, saved.groups["liveness"].size
        ((4, 2), 2)
    """

    params: Tree
    """The parameters, in a tree like the one that the groups were read with: NumPy arrays."""
    groups: UnitGroups
    """The unit groups of the function, at the sizes of the parameters."""
    survivors: dict[str, np.ndarray]
    """Per group the original index of every unit that is left: int64 [U], ascending."""
    description: dict[str, Any]
    """The whole content of network.json."""

    @property
    def apply(self) -> Callable[..., Any]:
        """The function for these parameters: see `UnitGroups.apply`."""
        return self.groups.apply


def restore(
    folder: str | os.PathLike, path: Path, record: Any, groups: UnitGroups, check_program: bool, most_bytes: int
) -> RestoredNetwork:
    """Read the weights of a network that was saved with its unit groups.

    Args:
        folder: the folder of the network.
        path: that of its network.json.
        record: the content of that file.
        groups: the unit groups of the function that is to run the network.
        check_program: whether the function has to be the same program.
        most_bytes: how large the file of weights may be.

    Raises:
        InputError: when a file does not fit; the error begins with its path.
    """
    first = groups.origin or groups
    with named(path):
        sizes, survivors = read_widths(record, groups, check_program)
    table = expected_leaves(first, sizes)
    path, arrays, checksum = read_arrays(folder, num_bytes(table), len(table), most_bytes)
    with named(path):
        require_leaves(table, table_of(arrays))
        require_checksum(checksum, record)
    assert groups.function is not None  # or `expected_leaves` had refused them
    at_widths = first.resized(sizes) if sizes else first
    everyone = {name: np.arange(group.size) for name, group in at_widths.groups.items()}
    return RestoredNetwork(with_leaves(groups.function.params, arrays), at_widths, everyone | survivors, record)
