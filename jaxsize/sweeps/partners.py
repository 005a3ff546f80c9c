"""Networks of fixed widths that learned ones are compared with, trained in few batches.

A partner is such a network. It shares the seed of the network that it is compared with, and as much of its start as the
widths allow. Partners whose widths fall into the same buckets share a program: they are padded by units that stay
inert.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import optax

from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.learners.hparams import Hparams
from jaxsize.learners.sparsifier import SparsifierConfig, make_learner
from jaxsize.learners.tasks import Task, task_of
from jaxsize.networks.network import Network
from jaxsize.programs.batch import Batch
from jaxsize.resizing.buckets import bucket
from jaxsize.sweeps._grid import column
from jaxsize.sweeps.columns import in_order
from jaxsize.trees import Tree
from jaxsize.units.groups import UnitGroups
from jaxsize.units.padding import pad_units
from jaxsize.units.reading import unit_groups
from jaxsize.units.sizes import network_sizes


class Partner(NamedTuple):
    """A network of fixed widths to train.

    Example:
        >>> from jaxsize import mlp
        >>> from jaxsize.sweeps import Partner
        >>> label = {"run": 7, "seed": 0, "arm": "from_scratch", "partner": 3}
        >>> partner = Partner(label, (5,), lambda: mlp((3, 5, 2), gate=None).init(0), epochs=10)
        >>> partner.init()["hidden"][0]["kernel"].shape
        (3, 5)
    """

    label: dict[str, Any]
    """The columns that identify the network in its rows: `run`, `seed`, `arm`, `partner` (the run that it is compared
    with), ..."""
    widths: tuple[int, ...]
    """Units of each group of units, in the order of the groups' names."""
    init: Callable[[], Tree]
    """A function that returns the NumPy parameters before training, of the network of these widths."""
    epochs: int
    """For how many epochs the network is trained."""
    hparams: Mapping[str, float] = {}
    """Settings of the learner of its own, in place of those that all partners share."""


def partner_batches(
    partners: Sequence[Partner],
    dataset: Dataset,
    sparsifier: SparsifierConfig,
    network: Callable[[Sequence[int]], Network],
    *,
    name: str,
    hparams: Mapping[str, float],
    factor: float = 1.5,
    task: Task | None = None,
    optimizer: Callable[[Hparams], optax.GradientTransformation] | None = None,
    **batch: Any,
) -> list[Batch]:
    """Make the batches that train all partners without a penalty: one per set of buckets and number of epochs.

    Args:
        partners: the networks to train.
        dataset: the data set to train on.
        sparsifier: how weights are moved, and gates where the networks have them.
        network: widths -> the network of these widths, in which a unit whose weights are all 0 stays as it is.
        name: first part of the batches' names, which are used as file names.
        hparams: settings of the learner that the partners share; each has all those that any partner has of its own.
        factor: ratio of neighbouring buckets, at least 1. One program serves widths up to this factor apart, so that
            `run_seconds` in the rows are those of padded networks.
        task: the losses and scores; by default those of the data set's task.
        optimizer: settings of a run -> what moves its weights; by default what `sparsifier` says.
        batch: further fields of `Batch`.

    Returns:
        The batches, those of fewer epochs first, then by ascending widths. Their rows have the columns of the labels,
        `batch`, `live_units`, `live_units_per_layer`, `parameters` and `multiply_adds`.

    Raises:
        InputError: when a network has another number of groups of units than a partner has widths, or units of zeros
            would not stay as they are in it.

    Example:
        >>> from jaxsize import mlp
        >>> from jaxsize.data import load
        >>> from jaxsize.learners.sparsifier import SparsifierConfig
        >>> from jaxsize.programs import Config
        >>> from jaxsize.sweeps import Partner, partner_batches
        >>> dataset = load("teacher", seed=0, num_rows=20, num_inputs=3, width=2, num_classes=3)
        >>> partners = [
        ...     Partner({"run": run, "seed": 0}, (width,), lambda width=width: mlp((3, width, 3), gate=None).init(0), 1)
        ...     for run, width in enumerate((5, 9, 30))
        ... ]
        >>> batches = partner_batches(
        ...     partners, dataset, SparsifierConfig(), lambda widths: mlp((3, *widths, 3), gate=None),
        ...     name="partners", hparams={"learning_rate": 0.01}, config=Config(),
        ... )
        >>> [(batch.name, [label["live_units"] for label in batch.labels]) for batch in batches]
        [('partners.16', [5, 9]), ('partners.32', [30])]
    """
    together: dict[tuple[int, tuple[int, ...]], list[Partner]] = {}
    for partner in partners:
        padded = tuple(bucket(width, factor=factor) for width in partner.widths)
        together.setdefault((partner.epochs, padded), []).append(partner)

    def batch_of(epochs: int, padded: tuple[int, ...], group: list[Partner]) -> Batch:
        batch_name = f"{name}.{'x'.join(map(str, padded))}" + (f".{epochs}" if len(lengths) > 1 else "")
        padded_network = network(padded)
        groups = unit_groups(padded_network.apply, padded_network.shapes(), dataset.network_inputs(1))
        sizes = [network_sizes(groups, _by_group(groups, partner.widths)) for partner in group]
        units = [{"live_units": sum(one.widths), "live_units_per_layer": list(one.widths)} for one in group]
        more: dict[str, Any] = {"histories": {}, "columns": lambda before, after: {}, **batch}
        own = [{**hparams, **partner.hparams} for partner in group]
        learner = make_learner(padded_network, task or task_of(dataset), sparsifier)
        return Batch(
            name=batch_name,
            labels=[
                partner.label | {"batch": batch_name} | number | size
                for partner, number, size in zip(group, units, sizes, strict=True)
            ],
            init=lambda index: pad_units(groups, group[index].init()),
            num_parameters=network_sizes(groups, {})["parameters"],
            hparams={setting: column(own, setting) for setting in own[0]},
            learner=learner._replace(optimizer=optimizer or learner.optimizer),
            dataset=dataset,
            num_epochs=epochs,
            shrinking=None,
            **more,
        )

    lengths = {epochs for epochs, _ in together}
    return [batch_of(*key, together[key]) for key in sorted(together)]


def _by_group(groups: UnitGroups, widths: Sequence[int]) -> dict[str, int]:
    """Give widths by name of the group of units, for the groups that can have others."""
    names = in_order(name for name, group in groups.groups.items() if not (group.fixed or group.own_size))
    if len(names) != len(widths):
        raise InputError(f"expected {len(names)} widths, one for each of {', '.join(names)}, got {list(widths)}")
    return dict(zip(names, widths, strict=True))


def random_widths(total: int, num_layers: int, seed: int) -> tuple[int, ...]:
    """Draw widths of at least 1 that add up to a total, every such tuple being equally likely.

    Args:
        total: sum of the widths.
        num_layers: how many widths, from 1 to `total`.
        seed: seed of the draw.

    Raises:
        InputError: when `num_layers` is below 1 or above `total`.

    Example:
        >>> from jaxsize.sweeps import random_widths
        >>> widths = random_widths(100, 3, seed=0)
        >>> len(widths), sum(widths), min(widths) >= 1, widths == random_widths(100, 3, seed=0)
        (3, 100, True, True)
    """
    if not 1 <= num_layers <= total:
        raise InputError(f"random_widths: expected a total of at least {num_layers} >= 1 layers, got {total}")
    cuts = np.sort(np.random.default_rng(seed).choice(total - 1, num_layers - 1, replace=False)) + 1
    return tuple(int(width) for width in np.diff([0, *cuts, total]))
