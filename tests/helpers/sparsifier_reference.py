"""The sparsifier written out: float64, gradients by hand, one named array per leaf; relu and signed gates."""

import jax.numpy as jnp
import numpy as np

from jaxsize.programs.epoch import row_order


def named(params):
    layer = params["hidden"][0]
    leaves = {"w1": layer["kernel"], "b1": layer["bias"], "f": layer["liveness"]}
    leaves |= {"w2": params["output"]["kernel"], "b2": params["output"]["bias"]}
    return {name: np.asarray(leaf, np.float64) for name, leaf in leaves.items()}


def data_gradient(p, inputs, targets, signed=False):
    """Gradient of the mean cross-entropy of relu(x w1 + b1) * relu(f) -> linear, or * f."""
    before = inputs @ p["w1"] + p["b1"]
    hidden, gate = np.maximum(before, 0), p["f"] if signed else np.maximum(p["f"], 0)
    logits = (hidden * gate) @ p["w2"] + p["b2"]
    error = np.exp(logits - logits.max(axis=1, keepdims=True))
    error /= error.sum(axis=1, keepdims=True)
    error[np.arange(len(targets)), targets] -= 1
    error /= len(targets)
    back = error @ p["w2"].T
    inner = back * gate * (before > 0)
    return {
        "w1": inputs.T @ inner,
        "b1": inner.sum(axis=0),
        "f": (back * hidden).sum(axis=0) * ((p["f"] > 0) | signed),
        "w2": (hidden * gate).T @ error,
        "b2": error.sum(axis=0),
    }


def reference(params, data, hparams, config, *, epochs, batch_size=8):
    """Trajectory of named parameters. Adam: betas .9 and .999, eps 1e-8, bias-corrected."""
    p = named(params)
    first, second = ({name: np.zeros_like(leaf) for name, leaf in p.items()} for _ in range(2))
    inputs, targets = np.asarray(data.rows.inputs, np.float64), np.asarray(data.rows.targets)
    lam, decay, path, t = hparams.penalty_weight, hparams.weight_decay, [], 0
    signed, live, mean_sign, spread_sign = config.gate == "signed", p["f"] == p["f"], np.sign(p["f"]), 0 * p["f"]
    for epoch in range(epochs):
        order = np.asarray(row_order(jnp.uint32(0), jnp.int32(epoch), len(targets)))
        for start in range(0, len(order), batch_size):
            rows, t = order[start : start + batch_size], t + 1
            gradient = data_gradient(p, inputs[rows], targets[rows], signed)
            alive, new = p["f"] > 0, {}
            uphill = np.sign(p["f"]) if signed else alive
            for name, g in gradient.items():
                if config.weight_decay == "coupled":
                    g = g + decay * p[name]
                whole = g + lam * uphill if name == "f" else g
                by_loss = whole if config.gate_step == "gradient" else g
                first[name] = 0.9 * first[name] + 0.1 * by_loss
                second[name] = 0.999 * second[name] + 0.001 * whole**2
                mean, spread = first[name] / (1 - 0.9**t), np.sqrt(second[name] / (1 - 0.999**t)) + 1e-8
                rate = hparams.gate_learning_rate if name == "f" else hparams.learning_rate
                length = rate / spread  # of a step, per weight
                if name == "f" and config.gate_optimizer == "sgd":
                    length, mean = rate, by_loss
                new[name] = p[name] - length * mean
                if config.weight_decay == "decoupled" and name != "f":
                    new[name] -= rate * decay * p[name]
                if name == "f" and config.gate_step == "proximal":
                    shrunk = np.sign(new[name]) * np.maximum(np.abs(new[name]) - length * lam, 0)  # soft threshold
                    new[name] = np.where((np.sign(shrunk) == np.sign(p[name])) & (alive | signed), shrunk, 0)
                if name == "f" and config.death_rule == "absorbing":
                    new[name] = np.where(alive, new[name], np.minimum(new[name], 0))  # dead for good
                elif name == "f" and config.death_rule == "threshold":
                    live = live & (np.abs(new[name]) > config.death_level)
                    new[name] = np.where(live, new[name], 0)
                elif name == "f":
                    keep, b = config.sign_decay, np.sign(new[name])
                    spread_sign = keep * spread_sign + (1 - keep) * (b - mean_sign) ** 2
                    mean_sign = keep * mean_sign + (1 - keep) * b
                    live = live & (spread_sign <= 0.5)
                    new[name] = new[name] * live
            p = new
            path.append(p)
    return path
