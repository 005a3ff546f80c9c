"""The classifier that learns how many hidden units it needs."""

from typing import Any

import numpy as np
import scipy.special
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from jaxsize.errors import InputError
from jaxsize.estimators._estimator import SizedNetwork
from jaxsize.estimators._rows import merged


class SizedClassifier(ClassifierMixin, SizedNetwork):
    """Classify by a dense network that starts too wide and loses the units that are not worth their price.

    Every hidden unit has a trained gate, and an open gate adds `penalty` to the mean cross-entropy. Units whose gate
    reaches 0 are dead, and are removed after training. Equal rows are one row with the sum of their weights.

    Args:
        hidden_widths: units of the hidden layers before training, at least one layer.
        penalty: the price of a unit, from 0 on; with 0 few or none die.
        epochs: passes over the rows.
        batch_size: rows per step.
        learning_rate: of the weights, which Adam trains.
        gate_learning_rate: of the gates, which Adam trains, too: it moves a gate by about this number per step, from 1
            at the start. "auto": at least `learning_rate`, and such that a gate can close in a quarter of the steps
            (but for fewer than 80 steps at most .05).
        weight_decay: decoupled, never of gates.
        standardize: whether features get mean 0 and variance 1 before; of a regressor the targets as well.
        random_state: an int, a RandomState or None: first weights and order of rows. With an int, a fit depends on
            nothing else, the order of the rows included.

    Attributes:
        n_units_: live units of each hidden layer.
        network_: a `FittedNetwork`, the small network without dead units and gates.
        classes_: labels, sorted; [K].
        n_features_in_, feature_names_in_: as scikit-learn has them.
        loss_curve_: the mean loss of every epoch, without the price.
        n_iter_: epochs trained.

    Example:
        >>> import numpy as np
        >>> from jaxsize.estimators import SizedClassifier
        >>> classifier = SizedClassifier(hidden_widths=(500, 300), penalty=1e-2, random_state=0)
        >>> classifier.get_params()["gate_learning_rate"]
        'auto'
        >>> classifier.fit(np.ones((3, 2)), ["cat", "cat", "cat"])
        Traceback (most recent call last):
        jaxsize.errors.InputError: y: expected two classes or more, got one class, cat

    `classifier.fit(rows, labels)` then has `classifier.n_units_`, such as [37, 12]; README.md has a search over prices.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "SizedClassifier":
        """Train the network, and remove its dead units.

        Args:
            X: features [N, D].
            y: labels [N], of two or more classes.
            sample_weight: [N], from 0 on; a row of weight 0 is left out, and None is 1 for all.

        Raises:
            InputError: when a setting is out of its range, when there are fewer than two classes, or when training
                diverges.
            ValueError: from scikit-learn, when X, y or weights are not finite arrays of fitting shapes.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        self.classes_, numbers = np.unique(y[weights > 0], return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"expected two classes or more, got one class, {self.classes_[0]}", field="y")
        rows = merged(X[weights > 0], numbers[:, None].astype(float), weights[weights > 0])
        self._fit_rows(rows, "classification", len(self.classes_))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Compute the probability of each class, in the order of `classes_`: float64 [N, K], for features [N, D]."""
        return scipy.special.softmax(self._outputs(X), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """Name the most probable class of every row, [N], for features [N, D]."""
        outputs = self._outputs(X)  # first, as it says that nothing has been fitted
        return self.classes_[np.argmax(outputs, axis=1)]
