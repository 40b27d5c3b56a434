"""Networks and linear models as scikit-learn's estimators: ``pip install unitgain[sklearn]``.

Names, arguments, defaults and meanings are scikit-learn's, so that a changed import is all that a
program needs, and what this library has beyond them is in further arguments.
"""

from __future__ import annotations

try:
    import sklearn
except ImportError as error:
    raise ImportError(
        "unitgain.sklearn needs scikit-learn: pip install unitgain[sklearn]"
    ) from error

from unitgain.sklearn.classifier import MLPClassifier
from unitgain.sklearn.linear import LinearRegression, LogisticRegression, Perceptron, Ridge
from unitgain.sklearn.regressor import MLPRegressor

_version = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
if _version < (1, 6):
    raise ImportError(f"unitgain.sklearn needs scikit-learn 1.6 or later, not {sklearn.__version__}")

__all__ = [
    "LinearRegression",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "Perceptron",
    "Ridge",
]
