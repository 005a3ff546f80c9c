"""The parameters of trained networks in a results folder, by name of the leaf: any tree of arrays."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from jaxsize.errors import InputError
from jaxsize.results.folder import Folder
from jaxsize.studies import Learned, Setup
from jaxsize.trees import Tree, named_leaves, with_leaves


def save_params(folder: Folder, setup: Setup, learned: Learned) -> dict:
    """Write the parameters of every run, without its dead units, to networks/run_N.safetensors; it makes no table."""
    path = folder.path / "networks"
    path.mkdir(exist_ok=True)
    for batch, trained in learned.values():
        for label, network in zip(batch.labels, trained.networks, strict=True):
            leaves = {name: np.asarray(leaf, order="C") for name, leaf in named_leaves(network.params).items()}
            save_file(leaves, path / f"run_{label['run']}.safetensors")
    return {}


def load_params(folder: Path, run: int, like: Tree) -> Tree:
    """Read the parameters of a run.

    Args:
        folder: the results folder.
        run: number of the run.
        like: parameters of the same structure, of any widths.

    Raises:
        InputError: when the file is missing, damaged, or of another network.
    """
    path = folder / "networks" / f"run_{run}.safetensors"
    try:
        leaves = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} holds no network ({error})") from error
    if set(leaves) != set(named_leaves(like)):
        other = min(set(leaves) ^ set(named_leaves(like)))
        raise InputError(f"{path}: expected the parameters of this network, got others ({other!r})")
    return with_leaves(like, leaves)
