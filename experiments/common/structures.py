"""Structures of autoencoders as texts: widths from the images inward, joined by hyphens."""

from jaxsize.errors import InputError
from jaxsize.gates import read_liveness
from jaxsize.networks import autoencoder

MOST = 100_000
"""The largest width that a text may name."""


def widths_of(structure: str) -> tuple[int, ...]:
    """Read widths from a text such as "256-128".

    Args:
        structure: positive whole numbers, joined by hyphens.

    Raises:
        InputError: when it is none; its field is `structures`.

    Example:
        >>> from experiments.common.structures import widths_of
        >>> widths_of("256-128")
        (256, 128)
    """
    parts = structure.split("-")
    if not all(part.isdecimal() and 0 < int(part) <= MOST for part in parts):
        raise InputError(f'expected widths such as "256" or "256-128", got {structure!r}', field="structures")
    return tuple(map(int, parts))


def gated_layers(encoder: int, decoder: int) -> tuple[str, ...]:
    """Name the gated layers of an autoencoder in the order of the column `live_units_per_layer`.

    Args:
        encoder: the number of hidden layers of the encoder.
        decoder: the number of hidden layers of the decoder.

    Example:
        >>> from experiments.common.structures import gated_layers
        >>> gated_layers(1, 1)
        ('decoder.0', 'encoder.0', 'latent')
    """
    network = autoencoder((1,) * (1 + encoder), 1, decoder=(1,) * decoder, gate="liveness")
    return tuple(read_liveness(network.init(0)))
