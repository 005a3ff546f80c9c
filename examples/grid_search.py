"""A scikit-learn classifier that learns its widths, in a pipeline and a grid search over the price of a unit."""

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jaxsize.estimators import SizedClassifier

train_x, test_x, train_y, test_y = train_test_split(*load_digits(return_X_y=True), random_state=0)
model = make_pipeline(StandardScaler(), SizedClassifier(hidden_widths=(100,), random_state=0))
search = GridSearchCV(model, {"sizedclassifier__penalty": [1e-1, 1e-2, 1e-3]}, cv=3).fit(train_x, train_y)
best = search.best_estimator_[-1]
print(f"price {best.penalty:g}: {best.n_units_} units, test accuracy {search.score(test_x, test_y):.4f}")
