"""scikit-learn estimators that learn how large their network should be: `fit`, `predict`, `score`, `n_units_`.

They need scikit-learn, which `jaxsize[data]` brings.
"""

from jaxsize.errors import require_package

require_package("sklearn", "data")  # before the imports below, whose error would not say what to install

from jaxsize.estimators.classifier import SizedClassifier  # noqa: E402
from jaxsize.estimators.network import FittedNetwork  # noqa: E402
from jaxsize.estimators.regressor import SizedRegressor  # noqa: E402

__all__ = [
    "FittedNetwork",
    "SizedClassifier",
    "SizedRegressor",
]
