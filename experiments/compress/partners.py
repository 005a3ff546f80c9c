"""The networks of fixed widths that every compressed network is compared with."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.common.networks import compress_networks, mlps
from experiments.compress.flags import shared
from jaxsize.export import fold_gates
from jaxsize.gates import read_liveness
from jaxsize.networks import num_mlp_multiply_adds, with_gates
from jaxsize.programs import Batch
from jaxsize.studies import Learned, Setup
from jaxsize.sweeps import Partner, partner_batches, random_widths
from jaxsize.sweeps.columns import in_order
from jaxsize.training import Trained
from jaxsize.trees import Tree
from jaxsize.units import prune_by_magnitude, unit_groups

COPIED = ("dataset", "form", "depth", "seed", "penalty", "start_width")


def partners(setup: Setup, learned: Learned) -> list[Batch]:
    """Make the partners of every penalised run whose loss stayed finite and whose layers all kept units.

    In the original form all partners have gates, which are trained as scales, as in the source.
    """
    flags, dataset, gated = setup.flags, setup.dataset, setup.form == "original"
    batch, trained = learned[setup.name("compress")]
    best = best_rows(batch, trained)
    compressed = {row["run"]: row for row in best.values() if row["penalty"] and usable(row)}
    networks = {label["run"]: network.params for label, network in zip(batch.labels, trained.networks, strict=True)}
    dense = {row["seed"]: networks[row["run"]] for row in best.values() if not row["penalty"] and usable(row)}
    longest = max((equal_epochs(setup, trained, row) for row in compressed.values()), default=0)
    static_epochs = min(max(longest, flags.epochs), flags.static_epochs or 3 * flags.epochs)
    made: list[Partner] = []

    def pruned(params: Tree, widths: Sequence[int]) -> Tree:
        """Fold the gates into the weights, and keep the units of every layer that have the largest ones."""
        folded, layers = fold_gates(params), in_order(read_liveness(params))
        groups = unit_groups(mlps(dataset, gate=None)([]).apply, folded, dataset.network_inputs(1))
        return prune_by_magnitude(groups, folded, dict(zip(layers, widths, strict=True)))

    for run, row in compressed.items():
        widths, seed = tuple(row["live_units_per_layer"]), row["seed"]
        arms: dict[str, Any] = {  # a compressed network may still hold dead units (--no-shrink)
            "from_scratch": (widths, None),
            "from_found": (widths, lambda run=run, widths=widths: pruned(networks[run], widths)),
            "half_widths": (tuple(max(1, width // 2) for width in widths), None),
            "double_widths": (tuple(2 * width for width in widths), None),
        }
        if len(widths) > 1:  # with one layer the only width of equal total is the one found
            arms["random_widths"] = random_widths(sum(widths), len(widths), run), None
        if seed in dense and all(width <= units for width, units in zip(widths, _widths(dense[seed]), strict=True)):
            arms["pruned"] = widths, lambda seed=seed, widths=widths: pruned(dense[seed], widths)
        for arm in (arm for arm in flags.partners if arm in arms):
            hidden, start = arms[arm]
            label = {"arm": arm, "run": setup.first_run + len(made), "partner": run} | {key: row[key] for key in COPIED}
            fresh = compress_networks(dataset, gated=False)(hidden)
            start = start or (lambda fresh=fresh, seed=seed: fresh.init(seed))
            init = (lambda start=start: with_gates(start())) if gated else start
            made.append(Partner(label, hidden, init, static_epochs if arm == "from_scratch" else flags.epochs))
    networks_of, more = compress_networks(dataset, gated=gated), shared(setup)
    name = setup.name("partners")
    return partner_batches(made, dataset, flags.sparsifier(setup.form), networks_of, name=name, **more)


def _widths(params: Tree) -> list[int]:
    gates = read_liveness(params)
    return [gates[name].size for name in in_order(gates)]


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
