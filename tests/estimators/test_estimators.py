"""The estimators as users have them: against scikit-learn's own, in its pipelines, with weights, with wrong input."""

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from jaxsize.errors import InputError
from jaxsize.estimators import SizedClassifier, SizedRegressor


@pytest.fixture(scope="module")
def teacher():
    """600 rows labelled by a network of 4 relu units, all of which matter."""
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(600, 6))
    directions = np.linalg.qr(draw.normal(size=(6, 6)))[0][:, :4]
    hidden = np.maximum(inputs @ directions + 0.3 * draw.normal(size=4), 0)
    return inputs, hidden @ np.array([1, -1, 1.5, -1.2])


@pytest.fixture(scope="module")
def halves():
    """A set of two classes, 120 rows of 4 features, that no straight line parts."""
    draw = np.random.default_rng(1)
    inputs = draw.normal(size=(120, 4))
    return inputs, np.where(np.abs(inputs[:, 0]) > 0.7, "outside", "inside")


SMALL: dict[str, Any] = {"hidden_widths": (10,), "epochs": 60, "learning_rate": 0.02, "random_state": 0}
OTHER_SEED: dict[str, Any] = SMALL | {"random_state": 1}
TOO_FAST: dict[str, Any] = SMALL | {"learning_rate": 1e30}


def test_digits_are_told_as_well_as_by_scikit_learn_with_fewer_units():
    images, digits = load_digits(return_X_y=True)
    train, test, train_digits, test_digits = train_test_split(images / 16, digits, random_state=0)
    settings: dict[str, Any] = {"batch_size": 64, "random_state": 0}
    other = MLPClassifier((60,), learning_rate_init=0.01, max_iter=40, tol=0.0, n_iter_no_change=40, **settings)
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        expected = other.fit(train, train_digits).score(test, test_digits)
    own = SizedClassifier((60,), learning_rate=0.01, epochs=40, penalty=3e-3, **settings).fit(train, train_digits)
    assert own.score(test, test_digits) > expected - 0.02 and expected > 0.95
    assert 10 < own.n_units_[0] < 45
    assert own.loss_curve_[-1] < 0.1 * own.loss_curve_[0] and len(own.loss_curve_) == own.n_iter_ == 40
    np.testing.assert_allclose(own.predict_proba(test).sum(axis=1), 1)


def test_the_units_of_a_teacher_are_found(teacher):
    inputs, targets = teacher
    settings: dict[str, Any] = {"epochs": 150, "learning_rate": 0.01, "batch_size": 64}
    regressor = SizedRegressor((30,), penalty=0.01, random_state=0, **settings).fit(inputs[:500], targets[:500])
    assert regressor.n_units_[0] in (4, 5) and regressor.score(inputs[500:], targets[500:]) > 0.99


def test_several_targets_share_their_units(teacher):
    inputs, targets = teacher
    both = np.column_stack([targets, 1000 + 50 * inputs[:, 0]])
    regressor = SizedRegressor((20,), epochs=80, learning_rate=0.02, batch_size=64, random_state=0).fit(inputs, both)
    assert regressor.predict(inputs[:7]).shape == (7, 2) and regressor.score(inputs, both) > 0.97


def test_a_price_is_searched_in_a_pipeline(halves):
    inputs, classes = halves
    pipeline = make_pipeline(PolynomialFeatures(1, include_bias=False), SizedClassifier(**SMALL))
    grid = {"sizedclassifier__penalty": [1e-3, 0.5]}
    with pytest.warns(ConvergenceWarning, match="penalty 0.5: a layer has lost all its units"):
        search = GridSearchCV(pipeline, grid, cv=2).fit(inputs, classes)
    assert search.best_params_ == {"sizedclassifier__penalty": 1e-3}
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] > 0.8 > scores[1] and set(search.predict(inputs)) == {"inside", "outside"}


def test_the_same_seed_gives_the_same_network_and_pickles(halves):
    inputs, classes = halves
    first = SizedClassifier(**SMALL).fit(inputs, classes)
    copied: Any = clone(first)
    same = copied.fit(inputs[::-1], classes[::-1])
    np.testing.assert_array_equal(first.predict_proba(inputs), same.predict_proba(inputs))
    again = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(first.predict_proba(inputs), again.predict_proba(inputs))
    other = SizedClassifier(**OTHER_SEED).fit(inputs, classes)
    assert np.abs(first.predict_proba(inputs) - other.predict_proba(inputs)).max() > 1e-3


def test_a_row_of_weight_0_is_left_out_and_weights_count(halves):
    inputs, classes = halves
    weights = np.ones(120)
    weights[80:] = 0
    wrong = np.where(np.arange(120) < 80, classes, "elsewhere")
    left_out = SizedClassifier(**SMALL).fit(inputs, wrong, weights)
    without = SizedClassifier(**SMALL).fit(inputs[:80], classes[:80])
    assert left_out.classes_.tolist() == ["inside", "outside"]
    np.testing.assert_array_equal(left_out.predict_proba(inputs), without.predict_proba(inputs))
    heavy = SizedClassifier(**SMALL).fit(inputs, classes, np.where(classes == "inside", 50.0, 1.0))
    plain = SizedClassifier(**SMALL).fit(inputs, classes)
    rows = np.random.default_rng(2).normal(size=(500, 4))
    assert (heavy.predict(rows) == "inside").mean() > (plain.predict(rows) == "inside").mean()


def test_units_die_however_few_the_rows_but_not_when_told_to_be_slow(halves):
    inputs, classes = halves
    assert SizedClassifier((30,), epochs=20, penalty=0.01, random_state=0).fit(inputs, classes).n_units_[0] < 30
    slow = SizedClassifier((30,), epochs=20, gate_learning_rate=1e-3, random_state=0)
    with pytest.warns(ConvergenceWarning) as caught:
        slow.fit(inputs, classes)
    assert slow.n_units_ == [30]
    expected = (
        "80 steps at gate rate 0.001: no gate can close (about 1000 are needed); raise gate_learning_rate or epochs"
    )
    assert str(caught[0].message) == expected and caught[0].filename == __file__
    free = SizedClassifier((30,), epochs=20, gate_learning_rate=1e-3, penalty=0.0, random_state=0)
    free.fit(inputs, classes)  # whoever wants no unit to die is not warned


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"hidden_widths": ()}, "hidden_widths: expected one whole number from 1 on or more, got ()"),
        ({"hidden_widths": (8, 0)}, "hidden_widths: expected one whole number from 1 on or more, got (8, 0)"),
        ({"epochs": 0}, "epochs: expected a whole number from 1 on, got 0"),
        ({"batch_size": 1.5}, "batch_size: expected a whole number from 1 on, got 1.5"),
        ({"penalty": -1}, "penalty: expected a finite number from 0 on, got -1"),
        ({"learning_rate": 0}, "learning_rate: expected a finite number above 0, got 0"),
        ({"gate_learning_rate": "fast"}, "gate_learning_rate: expected a finite number above 0 or auto, got 'fast'"),
        ({"weight_decay": float("nan")}, "weight_decay: expected a finite number from 0 on, got nan"),
    ],
)
def test_a_wrong_setting_is_one_line(halves, settings, problem):
    with pytest.raises(InputError) as caught:
        SizedClassifier(**settings).fit(*halves)
    assert str(caught.value) == problem


def test_wrong_rows_are_one_line(halves):
    inputs, classes = halves
    with pytest.raises(InputError, match=r"^y: expected two classes or more, got one class, inside$"):
        SizedClassifier(**SMALL).fit(inputs, np.full(120, "inside"))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        SizedClassifier(**SMALL).fit(np.full_like(inputs, np.nan), classes)
    with pytest.raises(ValueError, match=r"Unknown label type: continuous"):
        SizedClassifier(**SMALL).fit(inputs, inputs[:, 0])
    with pytest.raises(NotFittedError):
        SizedRegressor().predict(inputs)
    with pytest.raises(ValueError, match="Negative values"):
        SizedRegressor(**SMALL).fit(inputs, inputs[:, 0], -np.ones(120))
    with pytest.raises(InputError, match=r"^learning_rate: the loss is nan after 60 epochs: lower it, or standardize"):
        SizedRegressor(**TOO_FAST).fit(inputs, inputs[:, 0])


def test_without_scikit_learn_it_says_what_to_install():
    code = (
        "import importlib.util, jaxsize\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'sklearn' else find(name, *rest)\n"
        "try:\n    import jaxsize.estimators\nexcept jaxsize.InputError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == 'sklearn is not installed: pip install "jaxsize[data]" brings it\n'
