"""`learn_widths`: the widths of a network of one's own, learned while it trains, beside its controls."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxsize.data import Dataset, from_arrays
from jaxsize.errors import InputError
from jaxsize.gates.leaves import read_liveness
from jaxsize.learners.sparsifier import SparsifierConfig
from jaxsize.learners.tasks import Task, task_of
from jaxsize.networks.network import Network
from jaxsize.results.folder import Folder
from jaxsize.results.runs import Runs
from jaxsize.studies.summary import as_text
from jaxsize.trees import Tree, named_leaves
from jaxsize.widths._flags import WidthsFlags
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
    signed: bool = False,
    name: str = "widths",
    out: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> LearnedWidths:
    """Learn how wide every gated layer of a network need be, over seeds and prices of a unit, beside controls.

    All prices and seeds train at once. A unit dies when its gate reaches 0; dead units are removed while training.
    Beside the priced networks stand the same ones without a price, and networks of the widths found, from scratch. The
    results folder holds every epoch's rows, pictures, parameters and `report.html`; a call with the same arguments and
    `resume=True` goes on where it was stopped, and one on a finished folder reads it.

    Args:
        apply: (params, inputs [B, ...]) -> outputs [B, ...], or a `Network`. Its gates are parameters named `liveness`,
            each read by `jaxsize.liveness_gate` (or by `unit_gates`, for layers of jaxsize).
        init: seed -> parameters; or parameters, from which all seeds start with other orders of rows. None for a
            `Network`.
        data: a `Dataset`, or (inputs, targets), of which `data.from_arrays` makes one.
        loss: of every row, whose mean is minimised. Default: that of the data set's task.
        scores: further numbers of every row, whose means are reported; prices are compared by the first. Default: the
            score of the data set's task.
        signed: whether gates are signed (`liveness_gate(..., signed=True)`).
        name: of the study and, if `out` is not given, of its folder in `results/`.
        out: the results folder.
        **settings: `penalties`, `num_seeds` (default 6), `epochs`, `batch_size`, `learning_rate`, `gate_learning_rate`,
            `weight_decay`, `shrink`, `resume`: as `WidthsFlags` documents them.

    Raises:
        InputError: when the network has no gates, its outputs or its losses do not fit the targets, an argument is out
            of its range, or the folder holds something else.

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
    network = _network(apply, init)
    dataset = data if isinstance(data, Dataset) else from_arrays(*data, name=name)
    unknown = set(settings) - {field.name for field in dataclasses.fields(WidthsFlags)} | set(settings) & {"network"}
    if unknown:
        raise InputError(f"learn_widths: expected settings of WidthsFlags, got {min(unknown)!r}")
    if isinstance(penalties := settings.get("penalties", ()), Sequence):
        settings["penalties"] = tuple(map(float, penalties)) or WidthsFlags.penalties
    like = network.init(0)
    shapes = ", ".join(f"{leaf} {list(np.shape(value))}" for leaf, value in named_leaves(like).items())
    settings = {"num_seeds": 6, **settings, "network": shapes, "out": Path(out) if out is not None else None}
    flags = WidthsFlags(**settings)
    flags.check()
    task = _task(dataset, loss, scores)
    _try_out(network, like, dataset, task)
    config = SparsifierConfig(gate="signed", death_rule="threshold") if signed else SparsifierConfig()
    study = make_study(network, task, dataset, name, config)
    study.run(flags)
    folder = Folder(flags.folder(name), "finished")
    return LearnedWidths(folder.path, folder.read_summary(), network.apply, like)


def _network(apply: Any, init: Any) -> Network:
    if isinstance(apply, Network):
        if init is not None:
            raise InputError("expected None beside a Network, which has its own", field="init")
        return apply
    if init is None:
        raise InputError("expected a function of a seed, or parameters, got None", field="init")

    def draw(seed: int) -> Tree:
        return jax.tree.map(np.asarray, init(seed) if callable(init) else init)

    return Network(draw, apply)


def _task(dataset: Dataset, loss: Rows | None, scores: Mapping[str, Rows] | None) -> Task:
    if loss is None:
        task = task_of(dataset)
        return task if scores is None else Task(task.loss, scores)
    return Task(loss, scores or {})


def _try_out(network: Network, params: Tree, dataset: Dataset, task: Task) -> None:
    """Refuse a network without gates, or whose outputs do not fit the targets, before anything is written."""
    if not read_liveness(params):
        leaves = ", ".join(named_leaves(params)) or "none"
        raise InputError(f"expected parameters named liveness, the gates of units, got {leaves}", field="init")
    inputs, rows = dataset.network_inputs(2), dataset.train.targets
    targets = inputs if rows is None else jax.ShapeDtypeStruct((2, *rows.shape[1:]), rows.dtype)
    expected = f"expected a function of parameters and inputs {list(inputs.shape)}"
    outputs = _shape_of(network.apply, params, inputs, expected=expected, field="apply")
    if len(outputs.shape) < 2 or outputs.shape[0] != 2:
        raise InputError(f"expected outputs [B, ...] for a batch of 2, got {list(outputs.shape)}", field="apply")
    if dataset.task == "classification" and outputs.shape != (2, dataset.num_outputs):
        expected = f"expected outputs [B, {dataset.num_outputs}], one for every class"
        raise InputError(f"{expected}, got {['B', *outputs.shape[1:]]}", field="apply")
    expected = f"expected functions of outputs {list(outputs.shape)} and targets {list(targets.shape)}"
    _shape_of(task.of_rows, outputs, targets, expected=expected, field="loss")


def _shape_of(function: Callable, *arguments: Any, expected: str, field: str) -> Any:
    """Trace a function of the user's; what it raises becomes one line, with the error itself as its cause."""
    try:
        return jax.eval_shape(function, *arguments)
    except InputError:
        raise
    except Exception as error:  # whatever the user's code raises
        reason = next(iter(str(error).strip().splitlines()), "")
        raise InputError(f"{expected}, got {type(error).__name__}: {reason}", field=field) from error
