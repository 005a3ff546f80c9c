"""The networks of fixed widths that every compressed network is compared with."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.common.networks import compress_network
from experiments.compress.flags import shared
from jaxsize.export import fold_gates
from jaxsize.networks import mlp, num_mlp_multiply_adds
from jaxsize.programs import Batch
from jaxsize.studies import Learned, Setup
from jaxsize.sweeps import Partner, partner_batches, random_widths
from jaxsize.training import Trained
from jaxsize.trees import Tree
from jaxsize.units import prune_by_magnitude, unit_groups

COPIED = ("dataset", "form", "depth", "seed", "penalty", "start_width")


def partners(setup: Setup, learned: Learned) -> list[Batch]:
    """Make the partners of every penalised run whose loss stayed finite and whose layers all kept units.

    In the original form all partners have gates, which are trained as scales, as in the source.
    """
    flags, dataset = setup.flags, setup.dataset
    batch, trained = learned[setup.name("compress")]
    best = best_rows(batch, trained)
    compressed = {row["run"]: row for row in best.values() if row["penalty"] and usable(row)}
    networks = {label["run"]: network.params for label, network in zip(batch.labels, trained.networks, strict=True)}
    dense = {row["seed"]: networks[row["run"]] for row in best.values() if not row["penalty"] and usable(row)}
    longest = max((equal_epochs(setup, trained, row) for row in compressed.values()), default=0)
    static_epochs = min(max(longest, flags.epochs), flags.static_epochs or 3 * flags.epochs)
    made: list[Partner] = []
    for run, row in compressed.items():
        widths, seed = tuple(row["live_units_per_layer"]), row["seed"]
        arms: dict[str, Any] = {  # a compressed network may still hold dead units (--no-shrink)
            "from_scratch": (widths, None),
            "from_found": (widths, lambda run=run, widths=widths: _pruned(networks[run], widths)),
            "half_widths": (tuple(max(1, width // 2) for width in widths), None),
            "double_widths": (tuple(2 * width for width in widths), None),
        }
        if len(widths) > 1:  # with one layer the only width of equal total is the one found
            arms["random_widths"] = random_widths(sum(widths), len(widths), run), None
        layers = dense[seed]["hidden"] if seed in dense else []
        if layers and all(width <= len(layer["bias"]) for width, layer in zip(widths, layers, strict=True)):
            arms["pruned"] = widths, lambda seed=seed, widths=widths: _pruned(dense[seed], widths)
        for arm in (arm for arm in flags.partners if arm in arms):
            hidden, start = arms[arm]
            label = {"arm": arm, "run": setup.first_run + len(made), "partner": run} | {key: row[key] for key in COPIED}
            network = compress_network((dataset.num_inputs, *hidden, dataset.num_outputs), gated=False)
            init = start or (lambda network=network, seed=seed: network.init(seed))
            made.append(Partner(label, hidden, init, static_epochs if arm == "from_scratch" else flags.epochs))
    more = shared(setup) | {"name": setup.name("partners"), "gated": setup.form == "original"}
    return partner_batches(made, dataset, flags.sparsifier(setup.form), **more)


def _pruned(params: Tree, widths: Sequence[int]) -> Tree:
    """Fold the gates of an `mlp` into its weights, and keep the units of every layer that have the largest ones."""
    folded = fold_gates(params)
    num_inputs = folded["hidden"][0]["kernel"].shape[0]
    groups = unit_groups(mlp((num_inputs, 1), gate=None).apply, folded, np.zeros((1, num_inputs), np.float32))
    return prune_by_magnitude(groups, folded, {f"hidden.{layer}": width for layer, width in enumerate(widths)})


def best_rows(batch: Batch, trained: Trained) -> dict[int, dict[str, Any]]:
    """Return, by run, the row of the epoch whose network was chosen."""
    rows = {(row["run"], row["epoch"]): row for row in trained.rows}
    pairs = zip(batch.labels, trained.networks, strict=True)
    return {label["run"]: rows[label["run"], network.epoch] for label, network in pairs}


def usable(row: dict[str, Any]) -> bool:
    """Return whether the loss is finite and every layer has live units."""
    return row["train_loss"] is not None and min(row["live_units_per_layer"]) > 0


def equal_epochs(setup: Setup, trained: Trained, row: dict[str, Any]) -> int:
    """Return after how many epochs a network of the row's widths has done the multiply-adds of the compressed run."""
    dataset, depth = setup.dataset, row["depth"]
    before = num_mlp_multiply_adds((dataset.num_inputs, *[row["start_width"]] * depth, dataset.num_outputs))
    of_epochs = [other["multiply_adds"] for other in trained.rows if other["run"] == row["run"]]
    return -(-int(np.sum([before, *of_epochs[:-1]])) // row["multiply_adds"])
