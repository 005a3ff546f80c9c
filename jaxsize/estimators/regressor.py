"""The regressor that learns how many hidden units it needs."""

from typing import Any

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import _check_sample_weight, validate_data

from jaxsize.estimators._estimator import SizedNetwork
from jaxsize.estimators._rows import merged


class SizedRegressor(MultiOutputMixin, RegressorMixin, SizedNetwork):
    """Predict numbers by a dense network that starts too wide and loses the units that are not worth their price.

    As `SizedClassifier`, which explains the settings, with the squared error of standardised targets in place of the
    cross-entropy: `penalty` is then about the share of the targets' variance that a unit has to explain. Hidden
    units are shared by all targets.

    Attributes:
        n_units_: live units of each hidden layer.
        network_: a `FittedNetwork`, the small network without dead units and gates.
        n_features_in_, feature_names_in_: as scikit-learn has them.
        loss_curve_: the mean loss of every epoch, without the price.
        n_iter_: epochs trained.

    Example:
        >>> import numpy as np
        >>> from jaxsize.estimators import SizedRegressor
        >>> SizedRegressor(penalty=0.01)
        SizedRegressor(penalty=0.01)
        >>> SizedRegressor(hidden_widths=0).fit(np.ones((3, 2)), np.ones(3))
        Traceback (most recent call last):
        jaxsize.errors.InputError: hidden_widths: expected one whole number from 1 on or more, got 0
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "SizedRegressor":
        """Train the network, and remove its dead units.

        Args:
            X: features [N, D].
            y: numbers, [N] or [N, K].
            sample_weight: [N], from 0 on; a row of weight 0 is left out, and None is 1 for all.

        Raises:
            InputError: when a setting is out of its range, or when training diverges.
            ValueError: from scikit-learn, when X, y or weights are not finite arrays of fitting shapes.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        self._one_target = y.ndim == 1
        targets = y.astype(float).reshape(len(y), -1)
        self._fit_rows(merged(X, targets, weights), "regression", targets.shape[1])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict the numbers of every row, float64 [N] or [N, K] as `fit` has seen them, for features [N, D]."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._one_target else outputs
