"""Networks as pairs of pure functions with explicit parameters: layers, the `mlp`, initial weights."""

from jaxsize.networks.autoencoder import autoencoder, autoencoder_layers, autoencoder_weights
from jaxsize.networks.counts import num_mlp_multiply_adds, num_mlp_parameters
from jaxsize.networks.initializers import BiasInitializer, Initializer, init_bias, init_kernel, init_liveness
from jaxsize.networks.layers import Gate, Params, conv, dense, init_conv, init_dense, init_gate, unit_gates
from jaxsize.networks.mlp import mlp, with_gates
from jaxsize.networks.network import Network

__all__ = [
    "BiasInitializer",
    "Gate",
    "Initializer",
    "Network",
    "Params",
    "autoencoder",
    "autoencoder_layers",
    "autoencoder_weights",
    "conv",
    "dense",
    "init_bias",
    "init_conv",
    "init_dense",
    "init_gate",
    "init_kernel",
    "init_liveness",
    "mlp",
    "num_mlp_multiply_adds",
    "num_mlp_parameters",
    "unit_gates",
    "with_gates",
]
