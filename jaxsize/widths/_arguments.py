"""What `learn_widths` is given, made into a network, a task and settings, and tried out before anything is written."""

import dataclasses
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.gates.leaves import read_liveness
from jaxsize.learners.tasks import Task, task_of
from jaxsize.networks.network import Network
from jaxsize.trees import Tree, named_leaves
from jaxsize.units import are_signed, require_closing_gates, resizable, unit_groups
from jaxsize.widths._flags import WidthsFlags


def network_of(apply: Any, init: Any) -> Network:
    """Return the network of a function and its parameters, or of a function that draws them.

    Raises:
        InputError: when `init` is missing, is given beside a `Network`, or fails.
    """
    if isinstance(apply, Network):
        if init is not None:
            raise InputError("expected None beside a Network, which has its own", field="init")
        return apply
    if init is None:
        raise InputError("expected a function of a seed, or parameters, got None", field="init")
    draw = init if draws(init) else lambda seed: init
    return Network(lambda seed: jax.tree.map(np.asarray, draw(seed)), apply)


def draws(init: Any) -> bool:
    """Tell whether `init` is a function of a seed; parameters may be callable too, as modules of Equinox are."""
    return callable(init) and len(leaves := jax.tree.leaves(init)) == 1 and leaves[0] is init


def start_of(network: Network) -> Tree:
    """Return the first parameters.

    Raises:
        InputError: when they cannot be drawn, are not all trained by a gradient, or hold no gate.
    """
    params = call(network.init, 0, expected="expected a function of a seed that returns arrays", field="init")
    for name, leaf in named_leaves(params).items():
        if not np.issubdtype(np.asarray(leaf).dtype, np.floating):
            kept = "parameters are what is trained, such as nnx.state(network, nnx.Param)"
            raise InputError(f"expected floating numbers, as {kept}, got {name} {leaf.dtype}", field="init")
    if not (gates := read_liveness(params)):
        leaves = ", ".join(named_leaves(params)) or "none"
        raise InputError(f"expected parameters named liveness, the gates of units, got {leaves}", field="init")
    for name, gate in gates.items():
        if not np.ndim(gate):
            raise InputError(f"expected a gate with a number for every unit, got one number for {name}", field="init")
    return params


def task_for(dataset: Dataset, loss: Callable | None, scores: Mapping[str, Callable] | None) -> Task:
    """Return the task with a loss and scores in place of the data set's."""
    if loss is None:
        return task_of(dataset) if scores is None else Task(task_of(dataset).loss, scores)
    return Task(loss, scores or {})


def settings_of(settings: Mapping[str, Any], out: Any, network: str) -> WidthsFlags:
    """Make the flags of the study.

    Raises:
        InputError: when a setting is unknown or out of its range.
    """
    known = {field.name for field in dataclasses.fields(WidthsFlags)} - {"network", "out", "smoke", "full"}
    if unknown := set(settings) - known:
        raise InputError(f"learn_widths: expected settings of WidthsFlags, got {min(unknown)!r}")
    given = dict(settings)
    if "penalties" in given:
        try:
            given["penalties"] = tuple(np.atleast_1d(np.asarray(given["penalties"], float)).tolist())
        except (TypeError, ValueError):
            raise InputError(f"expected numbers, got {given['penalties']!r:.80}", field="penalties") from None
    flags = WidthsFlags(**{"num_seeds": 6, **given, "network": network, "out": None if out is None else Path(out)})
    flags.check()
    return flags


def at_any_size(network: Network, params: Tree, dataset: Dataset) -> Network:
    """Return the network with a function that runs with fewer units as well, where its own fixes its sizes itself."""
    inputs = dataset.network_inputs(1)
    expected = f"expected a function of parameters and inputs {list(inputs.shape)}"
    apply = call(resizable, network.apply, params, inputs, expected=expected, field="apply")
    return network._replace(apply=apply)


def try_out(network: Network, params: Tree, dataset: Dataset, task: Task) -> tuple[bool, str]:
    """Trace the network and the losses, and see that its gates close their units.

    Returns:
        Whether the gates are signed, and a short name of all that was traced, so that a results folder goes on with the
        same network only.

    Raises:
        InputError: when the outputs or losses do not fit the targets, or the gates their units.
    """
    inputs, rows = dataset.network_inputs(2), dataset.train.targets
    targets = inputs if rows is None else jax.ShapeDtypeStruct((2, *rows.shape[1:]), rows.dtype)
    expected = f"expected a function of parameters and inputs {list(inputs.shape)}"
    outputs = call(jax.eval_shape, network.apply, params, inputs, expected=expected, field="apply")
    if not isinstance(outputs, jax.ShapeDtypeStruct):
        raise InputError(f"expected one array of outputs, got {type(outputs).__name__}", field="apply")
    if len(outputs.shape) < 2 or outputs.shape[0] != 2:
        raise InputError(f"expected outputs [B, ...] for a batch of 2, got {list(outputs.shape)}", field="apply")
    if dataset.task == "classification" and outputs.shape != (2, dataset.num_outputs):
        expected = f"expected outputs [B, {dataset.num_outputs}], one for every class"
        raise InputError(f"{expected}, got {['B', *outputs.shape[1:]]}", field="apply")
    expected = f"expected functions of outputs {list(outputs.shape)} and targets {list(targets.shape)}"
    call(jax.eval_shape, task.of_rows, outputs, targets, expected=expected, field="loss")
    groups = unit_groups(network.apply, params, dataset.network_inputs(1))
    gates = list(read_liveness(params))
    require_closing_gates(groups, gates)
    signed = are_signed(groups, gates) if network.signed is None else network.signed
    traced = jax.make_jaxpr(network.apply)(params, inputs), jax.make_jaxpr(task.of_rows)(outputs, targets)
    text = re.sub(r"0x[0-9a-f]+", "", f"{traced} {dataset.input_scale} {dataset.input_shift}")  # without addresses
    leaves = ", ".join(f"{leaf} {list(np.shape(value))}" for leaf, value in named_leaves(params).items())
    return signed, f"{leaves} ({zlib.crc32(text.encode()):08x})"


def call(function: Callable, *arguments: Any, expected: str, field: str) -> Any:
    """Call what calls a user's function; what that raises becomes one line, with the error itself as its cause."""
    try:
        return function(*arguments)
    except InputError:
        raise
    except Exception as error:  # whatever the user's code raises
        reason = next(iter(str(error).strip().splitlines()), "")
        raise InputError(f"{expected}, got {type(error).__name__}: {reason}", field=field) from error
