"""What the two estimators share: their settings, checks, and a fit to weighted rows."""

import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import jax
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from jaxsize.errors import InputError
from jaxsize.estimators._rows import WeightedRows, padded
from jaxsize.estimators._training import Settings, orders_of_rows, train, without_dead_units
from jaxsize.estimators.network import FittedNetwork
from jaxsize.learners.closing import cannot_close
from jaxsize.networks.mlp import mlp
from jaxsize.programs import Data, Rows

_FASTEST_GATE = 0.05
"""The largest gate rate of "auto": a gate cannot close in fewer than 20 steps, however few are planned."""


class SizedNetwork(BaseEstimator):
    """The settings of both estimators, and their `fit` from rows on; see `SizedClassifier` for the settings."""

    network_: FittedNetwork

    def __init__(
        self,
        hidden_widths: Sequence[int] = (100,),
        *,
        penalty: float = 1e-3,
        epochs: int = 100,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        gate_learning_rate: float | Literal["auto"] = "auto",
        weight_decay: float = 1e-2,
        standardize: bool = True,
        random_state: Any = None,
    ):
        self.hidden_widths = hidden_widths
        self.penalty = penalty
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.gate_learning_rate = gate_learning_rate
        self.weight_decay = weight_decay
        self.standardize = standardize
        self.random_state = random_state

    def _fit_rows(self, rows: WeightedRows, task: Literal["classification", "regression"], num_outputs: int) -> None:
        """Train a network on rows, and set every attribute that tells of it.

        Args:
            rows: different rows; targets are classes [N, 1], counted from 0, or numbers [N, K].
            task: what is learned.
            num_outputs: outputs of the network.
        """
        hidden = self._check_settings()
        inputs = self._scaler(rows.inputs, rows.weights)
        outputs = self._scaler(rows.targets, rows.weights, scaled=task == "regression")
        targets = (rows.targets - outputs[0]) / outputs[1]
        widths, num_rows = (rows.inputs.shape[1], *hidden, num_outputs), len(rows.inputs)
        device_rows = Rows(
            padded(((rows.inputs - inputs[0]) / inputs[1]).astype(np.float32)),
            padded(np.column_stack([targets, rows.weights]).astype(np.float32)),
        )
        batch_size = min(self.batch_size, len(device_rows.inputs))
        settings = Settings(widths=widths, task=task, batch_size=batch_size)
        rates = self._rates(self.epochs * settings.steps(num_rows))
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        params, losses = jax.device_get(
            train(
                settings,
                mlp(widths).init(seed),
                {name: np.float32(rate) for name, rate in rates.items()},
                Data(device_rows, scale=np.asarray(1, np.float32), shift=np.asarray(0, np.float32)),
                np.int32(num_rows),
                orders_of_rows(seed, self.epochs, num_rows, len(device_rows.inputs)),
            )
        )
        if not np.isfinite(losses[-1]):
            problem = f"the loss is {losses[-1]} after {self.epochs} epochs: lower it, or standardize the features"
            raise InputError(problem, field="learning_rate")
        small, self.n_units_ = without_dead_units(widths, params)
        if 0 in self.n_units_:
            text = f"penalty {self.penalty:g}: a layer has lost all its units, so that every prediction is the same"
            warnings.warn(text, ConvergenceWarning, stacklevel=3)
        if task == "classification":
            outputs = (np.zeros(num_outputs), np.ones(num_outputs))
        self.network_ = FittedNetwork(small, *inputs, *outputs)
        self.loss_curve_, self.n_iter_ = [float(loss) for loss in losses], self.epochs

    def _scaler(self, values: np.ndarray, weights: np.ndarray, scaled: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the scale of columns, [D] each: 0 and 1 where nothing is standardised."""
        if not (self.standardize and scaled):
            return np.zeros(values.shape[1]), np.ones(values.shape[1])
        fitted: Any = StandardScaler().fit(values, sample_weight=weights)
        return fitted.mean_, fitted.scale_

    def _rates(self, num_steps: int) -> dict[str, float]:
        """Return the settings of the sparsifier, and warn where no gate can close."""
        rate = self.gate_learning_rate
        if rate == "auto":
            rate = max(self.learning_rate, min(_FASTEST_GATE, 4 / num_steps))
        rate = float(rate)
        cure = "raise gate_learning_rate or epochs"
        if self.penalty and (problem := cannot_close(num_steps, rate, cure=cure)):
            warnings.warn(problem, ConvergenceWarning, stacklevel=4)
        return {
            "learning_rate": self.learning_rate,
            "gate_learning_rate": rate,
            "penalty_weight": self.penalty,
            "weight_decay": self.weight_decay,
        }

    def _check_settings(self) -> tuple[int, ...]:
        """Return the hidden widths; refuse settings that make no sense, in one line that names the setting."""
        given: Any = self.hidden_widths
        hidden = tuple(given) if isinstance(given, (Sequence, np.ndarray)) else (given,)
        if not hidden or not all(_is_whole(width) for width in hidden):
            raise InputError(f"expected one whole number from 1 on or more, got {given!r}", field="hidden_widths")
        for name in ("epochs", "batch_size"):
            if not _is_whole(getattr(self, name)):
                raise InputError(f"expected a whole number from 1 on, got {getattr(self, name)!r}", field=name)
        positive, more = {"learning_rate", "gate_learning_rate"}, {"gate_learning_rate": " or auto"}
        for name in ("penalty", "learning_rate", "gate_learning_rate", "weight_decay"):
            value: Any = getattr(self, name)
            if name in more and isinstance(value, str) and value == "auto":
                continue
            number = float(value) if isinstance(value, (int, float, np.integer, np.floating)) else math.nan
            if not 0 <= number < math.inf or (number == 0 and name in positive):
                bound = "above 0" if name in positive else "from 0 on"
                raise InputError(f"expected a finite number {bound}{more.get(name, '')}, got {value!r}", field=name)
        return tuple(int(width) for width in hidden)

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the outputs of the fitted network, float64 [N, K]."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return self.network_(X)


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and int(value) >= 1
