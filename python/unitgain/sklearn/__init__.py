"""Networks and linear models as scikit-learn's estimators: ``pip install unitgain[sklearn]``.

Names, arguments, defaults and meanings are scikit-learn's, so that a changed import is all that a
program needs, and what this library has beyond them is in further arguments.
"""

from __future__ import annotations

try:
    import sklearn.utils.validation
except ImportError as error:
    message = "unitgain.sklearn needs scikit-learn: pip install unitgain[sklearn]"
    raise ImportError(message) from error
if not hasattr(sklearn.utils.validation, "validate_data"):
    raise ImportError(
        f"unitgain.sklearn needs scikit-learn 1.6 or later, not {sklearn.__version__}: pip install "
        "-U unitgain[sklearn]"
    )

# isort: split
from unitgain.sklearn.classifier import MLPClassifier
from unitgain.sklearn.clusters import ClusterFeatures, KMeans, MiniBatchKMeans
from unitgain.sklearn.linear import LinearRegression, LogisticRegression, Ridge
from unitgain.sklearn.perceptron import Perceptron
from unitgain.sklearn.regressor import MLPRegressor

__all__ = [
    "ClusterFeatures",
    "KMeans",
    "LinearRegression",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "MiniBatchKMeans",
    "Perceptron",
    "Ridge",
]
