"""The flexible-size learner written out: float64, gradients by hand, any number of gated layers; and small batches."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from helpers.training import normal
from jaxsize.data import load
from jaxsize.learners.flexible import FORMS, make_learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.mlp import mlp
from jaxsize.programs.config import Config
from jaxsize.programs.device_data import Data, Rows
from jaxsize.programs.epoch import init_state, make_epoch, row_order
from jaxsize.sweeps.sizes import size_sweep

D, K, ROWS = 3, 3, 24
CLASSIFICATION = TASKS["classification"]
NOT_STEPS = ("observed_before", "of_epoch")
"""What a history holds that is not an array over steps."""
NOTHING = CLASSIFICATION._replace(loss=lambda outputs, targets: 0.0 * outputs[:, 0])
"""Nothing to learn: all that moves is moved by the penalty."""
TWO = mlp((D, 7, 6, K), gate="size", size=2.5, slope=0.8)
TEACHER = load("teacher", seed=0, num_rows=60, num_inputs=3, width=2, num_classes=3)


def some_data(num_rows=ROWS):
    inputs = normal(1, num_rows, D)
    targets = np.argmax(inputs, axis=1).astype(np.int32)
    return Data(Rows(jnp.asarray(inputs), jnp.asarray(targets)), jnp.float32(1), jnp.float32(0))


def named(params):
    """float64 leaves by (layer, leaf); the output layer is the last."""
    layers = [*params["hidden"], params["output"]]
    return {(n, name): np.asarray(leaf, np.float64) for n, layer in enumerate(layers) for name, leaf in layer.items()}


def ramp(size, slope, width):
    return scipy.special.expit(slope * (size - np.arange(width)))


def integral(size, slope, width):
    """Of the ramp, and its derivatives by size and slope."""
    value = (np.logaddexp(0, slope * size) - np.logaddexp(0, slope * (size - width))) / slope
    upper, lower = scipy.special.expit(slope * size), scipy.special.expit(slope * (size - width))
    return value, upper - lower, (size * upper - (size - width) * lower - value) / slope


def cross_entropy(logits, targets):
    """Mean over rows."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(targets)), targets]))


def forward(p, inputs):
    """What every layer reads (gated), each hidden layer before its gate, the gates, and the outputs."""
    last = max(layer for layer, _ in p)
    read, hidden, gates = [inputs], [], []
    for n in range(last):
        hidden.append(np.maximum(read[-1] @ p[n, "kernel"] + p[n, "bias"], 0))
        gates.append(ramp(p[n, "size"], p[n, "slope"], hidden[-1].shape[1]))
        read.append(hidden[-1] * gates[-1])
    return read, hidden, gates, read[-1] @ p[last, "kernel"] + p[last, "bias"]


def objective_and_gradient(p, inputs, targets, penalty):
    """Mean cross-entropy + penalty times the integrals of all layers, and its gradient (D1)."""
    read, hidden, gates, logits = forward(p, inputs)
    total, back = cross_entropy(logits, targets), np.asarray(scipy.special.softmax(logits, axis=1))
    back[np.arange(len(targets)), targets] -= 1
    back /= len(targets)
    gradient = {}
    for n in range(len(hidden), -1, -1):
        gradient[n, "kernel"], gradient[n, "bias"] = read[n].T @ back, back.sum(axis=0)
        if not n:
            break
        layer, g = n - 1, back @ p[n, "kernel"].T
        size, slope, width = p[layer, "size"], p[layer, "slope"], hidden[layer].shape[1]
        value, by_size, by_slope = integral(size, slope, width)
        total += penalty * value
        bend = (g * hidden[layer]).sum(axis=0) * gates[layer] * (1 - gates[layer])
        gradient[layer, "size"] = slope * bend.sum() + penalty * by_size
        gradient[layer, "slope"] = (bend * (size - np.arange(width))).sum() + penalty * by_slope
        back = g * gates[layer] * (hidden[layer] > 0)
    return total, gradient


class Descent:
    """One optimiser's step for all leaves: betas .9 and .999, eps 1e-8, bias-corrected."""

    def __init__(self):
        self.first, self.second, self.steps = {}, {}, 0

    def __call__(self, kind, leaf, g):
        if kind == "sgd":
            return g
        first = self.first[leaf] = 0.9 * self.first.get(leaf, 0) + 0.1 * g
        mean, second = first / (1 - 0.9**self.steps), self.second.get(leaf, 0)
        if kind == "adamax":
            self.second[leaf] = np.maximum(0.999 * second, np.abs(g) + 1e-8)
            return mean / self.second[leaf]
        self.second[leaf] = 0.999 * second + 0.001 * g**2
        return mean / (np.sqrt(self.second[leaf] / (1 - 0.999**self.steps)) + 1e-8)


def reference(params, data, hparams, config, *, epochs, batch_size=8, seed=0):
    """(final leaves, objective of every step, derivative by sizes of every step [steps, layers])."""
    p, descent, objectives, by_sizes = named(params), Descent(), [], []
    inputs, targets = np.asarray(data.rows.inputs, np.float64), np.asarray(data.rows.targets)
    for epoch in range(epochs):
        order = np.asarray(row_order(jnp.uint32(seed), jnp.int32(epoch), len(targets)))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            total, gradient = objective_and_gradient(p, inputs[rows], targets[rows], hparams.penalty_weight)
            objectives.append(total)
            by_sizes.append([gradient[leaf] for leaf in p if leaf[1] == "size"])
            descent.steps += 1
            new = {}
            for leaf, value in p.items():
                size, slope = leaf[1] == "size", leaf[1] == "slope"
                if slope and config.slope == "fixed":
                    new[leaf] = value
                    continue
                decay = hparams.weight_decay * (not slope and (config.decay_size or not size))
                g = gradient[leaf] + decay * value * (config.weight_decay == "coupled")
                step = descent(config.size_optimizer if size else config.optimizer, leaf, g)
                step = step + decay * value * (config.weight_decay == "decoupled")
                new[leaf] = value - (hparams.size_learning_rate if size else hparams.learning_rate) * step
                if slope:
                    new[leaf] = np.clip(new[leaf], 1e-3, 1e4)
            p = new
    return p, np.array(objectives), np.array(by_sizes)


@functools.cache
def learner_of(config, network=TWO, task=CLASSIFICATION):
    return make_learner(network, task, config)


@functools.cache
def programs_of(learner, batch_size):
    epoch = make_epoch(learner, Config(batch_size=batch_size))
    start = functools.partial(init_state, learner)
    return jax.jit(jax.vmap(start)), jax.jit(jax.vmap(epoch, in_axes=(0, 0, None)))


def train_together(learner, params, data, hparams, *, epochs=1, batch_size=8, seeds=None):
    """One run per entry of `params`: (states, histories), [R, ...] and [R, steps, ...]. hparams: numbers, or [R]."""
    start, epoch = programs_of(learner, batch_size)
    num = len(params)
    hparams = jax.tree.map(lambda value: np.array(np.broadcast_to(np.float32(value), num)), hparams)
    seeds = np.zeros(num, np.uint32) if seeds is None else np.array(seeds, np.uint32)
    state, histories = start(jax.tree.map(lambda *leaves: np.stack(leaves), *params), seeds, hparams), []
    for _ in range(epochs):
        state, history = epoch(state, hparams, data)
        histories.append({name: np.asarray(history[name]) for name in history if name not in NOT_STEPS})
    joined = {name: np.concatenate([history[name] for history in histories], axis=1) for name in histories[0]}
    return jax.device_get(state), joined


def run_of(states, index):
    return jax.tree.map(lambda leaf: leaf[index], states)


def small_batch(settings, *, hidden=(12,), flexible=FORMS["corrected"], dataset=TEACHER, num_epochs=3, **more):
    """Runs of a small teacher, one per setting, with seed 0 where none is given."""
    settings = [{"seed": 0, **setting} for setting in settings]
    defaults = {"name": "teacher", "label": {"group": "tests"}, "first_run": 0, "config": Config(batch_size=16)}

    def network(widths):
        return mlp((dataset.num_inputs, *widths, dataset.num_outputs), gate="size")

    return size_sweep(dataset, network, hidden, flexible, settings, num_epochs=num_epochs, **defaults | more)
