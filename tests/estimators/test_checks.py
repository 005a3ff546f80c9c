"""scikit-learn's own checks of an estimator, all of them, with no exceptions asked for."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from jaxsize.estimators import SizedClassifier, SizedRegressor

SMALL: dict[str, Any] = {"hidden_widths": (4,), "epochs": 20, "learning_rate": 0.03, "penalty": 1e-4, "batch_size": 64}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([SizedClassifier(**SMALL), SizedRegressor(**SMALL)])
def test_scikit_learn_agrees(estimator, check):
    check(estimator)
