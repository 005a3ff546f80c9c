"""Trained networks for other programs: saved as safetensors and JSON, or with gates folded into weights."""

from jaxsize.export._restoring import RestoredNetwork
from jaxsize.export.folding import fold_gates
from jaxsize.export.loading import SavedNetwork, load_network
from jaxsize.export.programs import Exported, export_network
from jaxsize.export.saving import ACTIVATIONS, save_network

__all__ = [
    "ACTIVATIONS",
    "Exported",
    "RestoredNetwork",
    "SavedNetwork",
    "export_network",
    "fold_gates",
    "load_network",
    "save_network",
]
