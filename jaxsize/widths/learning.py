"""`learn_widths`: the widths of a network of one's own, learned while it trains, beside its controls."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from jaxsize.data import Dataset, from_arrays
from jaxsize.errors import InputError
from jaxsize.learners.sparsifier import SparsifierConfig
from jaxsize.networks.network import Network
from jaxsize.results.folder import Folder
from jaxsize.results.runs import Runs
from jaxsize.studies.summary import as_text
from jaxsize.trees import Tree
from jaxsize.widths._arguments import at_any_size, draws, network_of, settings_of, start_of, task_for, try_out
from jaxsize.widths._saved import load_params
from jaxsize.widths._study import make_study

Rows = Callable[[jax.Array, jax.Array], jax.Array]
"""(outputs [B, ...], targets [B, ...]) -> a number for every row [B]."""


@dataclasses.dataclass(frozen=True, eq=False)
class LearnedWidths:
    """What `learn_widths` found; `print` shows the answer, the table and the claims.

    Example:
        >>> from pathlib import Path
        >>> from jaxsize.widths import LearnedWidths
        >>> LearnedWidths(Path("results/own"), {"answer": []}, lambda params, inputs: inputs, {}).report.name
        'report.html'
    """

    folder: Path
    """The results folder."""
    summary: dict[str, Any]
    """The content of its summary.json."""
    apply: Callable[[Tree, Any], Any]
    """The function of the network, for parameters of any widths."""
    like: Tree
    """Parameters of the network before training."""

    @property
    def report(self) -> Path:
        """The page to open: the answer, the table, the claims, the pictures."""
        return self.folder / "report.html"

    def params(self, penalty: float, seed: int = 0) -> Tree:
        """Return the parameters of a trained network, without its dead units where these can be removed exactly.

        Args:
            penalty: the price of a unit that it was trained at, or 0.
            seed: its seed.

        Raises:
            InputError: when there is no such run, or its file is missing or damaged.
        """
        paths = Runs(Folder(self.folder, "finished"), self.summary["settings"]).by_seed(arm="learned", penalty=penalty)
        if seed not in paths:
            known = ", ".join(f"{price:g}" for price in (0.0, *self.summary["settings"]["penalties"]))
            seeds = self.summary["settings"]["num_seeds"]
            raise InputError(f"expected a penalty of {known} and a seed below {seeds}, got {penalty:g} and {seed}")
        return load_params(self.folder, paths[seed][-1]["run"], self.like)

    def __str__(self) -> str:
        return as_text(self.summary)


def learn_widths(
    apply: Network | Callable[[Tree, jax.Array], Any],
    init: Callable[[int], Tree] | Tree | None,
    data: Dataset | tuple[Any, Any],
    *,
    loss: Rows | None = None,
    scores: Mapping[str, Rows] | None = None,
    name: str = "widths",
    out: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> LearnedWidths:
    """Learn how wide every gated layer of a network need be, over seeds and prices of a unit, beside controls.

    All prices and seeds train at once. A unit dies when its gate reaches 0; dead units are removed while training.
    Beside the priced networks stand the same ones without a price, and networks of the widths found, from fresh weights
    of the scales that `init` draws for the wide network (none where `init` draws nothing). The results folder holds
    every epoch's rows, pictures, parameters and `report.html`; a call with the same arguments and `resume=True` goes on
    where it was stopped, and one on a finished folder reads it.

    Args:
        apply: (params, inputs [B, ...]) -> outputs [B, ...], or a `Network`. Its gates are parameters named `liveness`,
            each read by `jaxsize.liveness_gate` (or by `unit_gates`, for layers of jaxsize). Where units are multiplied
            by liveness itself, gates are signed.
        init: seed -> parameters, floating arrays; or parameters, from which all seeds start with other orders of rows.
            None for a `Network`.
        data: a `Dataset`, or (inputs, targets), of which `data.from_arrays` makes one.
        loss: of every row, whose mean is minimised. Default: that of the data set's task.
        scores: further numbers of every row, whose means are reported; prices are compared by the first. Default: the
            score of the data set's task; none where a loss is given, so that prices are compared by the loss.
        name: of the study and, if `out` is not given, of its folder in `results/`.
        out: the results folder.
        **settings: `penalties`, `num_seeds` (default 6), `epochs`, `batch_size`, `learning_rate`, `gate_learning_rate`,
            `weight_decay`, `shrink`, `resume`: as `WidthsFlags` documents them.

    Raises:
        InputError: when the network has no gates or they do not close their units, its outputs or its losses do not fit
            the targets, an argument is out of its range, or the folder holds something else, such as another network.

    Example:
        >>> import contextlib, io, tempfile
        >>> import numpy as np
        >>> import jaxsize
        >>> inputs = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
        >>> with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        ...     found = jaxsize.learn_widths(
        ...         jaxsize.mlp((3, 8, 1)), None, (inputs, inputs.sum(1)), penalties=(0.1,), num_seeds=1, epochs=1,
        ...         out=folder + "/own",
        ...     )
        ...     params = found.params(penalty=0.1)
        >>> params["hidden"][0]["kernel"].shape[0], len(found.summary["results"])
        (3, 2)
    """
    network = network_of(apply, init)
    if not isinstance(data, Dataset):
        if not isinstance(data, tuple) or len(data) != 2:
            raise InputError("expected a Dataset, or inputs and targets, got something else", field="data")
        data = from_arrays(*data, name=name)
    like = start_of(network)
    network = at_any_size(network, like, data)
    task = task_for(data, loss, scores)
    signed, traced = try_out(network, like, data, task)
    flags = settings_of(settings, out, traced)
    config = SparsifierConfig(gate="signed", death_rule="threshold") if signed else SparsifierConfig()
    make_study(network, task, data, name, config, controls=isinstance(apply, Network) or draws(init)).run(flags)
    folder = Folder(flags.folder(name), "finished")
    return LearnedWidths(folder.path, folder.read_summary(), network.apply, like)
