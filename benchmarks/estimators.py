"""The estimators beside scikit-learn's network and its boosted trees: scores and fitting times.

``python -m unitgain.benchmarks.estimators`` prints the table of ``docs/guide/estimators.md``, and
with ``--write PAGE`` puts it into that page, between its two marks.

Each estimator has its defaults, behind a ``StandardScaler``. Scores are accuracies or R squared, of
the folds of one cross-validation, the same for all. In each fold both networks take turns, and the
ratio of their times is the median over the folds.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

MARKS = "<!-- table of benchmarks/estimators.py -->", "<!-- end of the table -->"
FOLDS = 5
HEAD = """\
| table | rows x features | scikit-learn's MLP | unitgain's MLP | boosted trees | times as fast |
| --- | --- | --- | --- | --- | --- |"""


def skewed(x: Any) -> Any:
    """Return a table in which columns are as people have them: skewed, counts, few categories."""
    x = x.copy()
    x[:, 0:4] = np.exp(x[:, 0:4])
    x[:, 4:7] = np.floor(np.abs(x[:, 4:7]) * 2)
    for column in range(7, 10):
        cuts = np.quantile(x[:, column], [0.2, 0.5, 0.9])
        x[:, column] = np.array([2.0, 0.0, 3.0, 1.0])[np.searchsorted(cuts, x[:, column])]
    return x


def standardised(y: Any) -> Any:
    """Return targets of mean 0 and deviation 1, as networks expect them."""
    return (y - y.mean()) / y.std()


def tables(quick: bool) -> Iterator[tuple[str, Any, Any]]:
    """Yield each table's name, samples and targets."""
    from sklearn import datasets

    for name in ("breast_cancer", "wine", "digits"):
        yield name, *getattr(datasets, f"load_{name}")(return_X_y=True)
    x, y = datasets.load_diabetes(return_X_y=True)
    yield "diabetes", x, standardised(y)
    rows = 1000 if quick else 20000
    x, y = datasets.make_classification(
        rows, 20, n_informative=12, n_classes=3, flip_y=0.05, random_state=0
    )
    yield "make_classification, skewed", skewed(x), y
    x, y = datasets.make_regression(rows, 20, n_informative=12, noise=20.0, random_state=0)
    yield "make_regression, skewed", skewed(x), standardised(y)
    x, y = datasets.make_friedman1(rows, 10, noise=1.0, random_state=0)
    yield "make_friedman1", x, standardised(y)


def estimators(is_classification: bool) -> list[Any]:
    """Return scikit-learn's network, this library's, and boosted trees."""
    from sklearn import ensemble, neural_network

    import unitgain.sklearn

    kind = "Classifier" if is_classification else "Regressor"
    return [
        getattr(neural_network, f"MLP{kind}")(random_state=0),
        getattr(unitgain.sklearn, f"MLP{kind}")(random_state=0),
        getattr(ensemble, f"HistGradientBoosting{kind}")(random_state=0),
    ]


def measure(x: Any, y: Any) -> tuple[Any, Any]:
    """Return scores and seconds of fitting, ``(folds, estimators)`` each."""
    from sklearn.base import clone
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    is_classification = y.dtype.kind == "i" and len(np.unique(y)) < 20
    made = estimators(is_classification)
    kind = StratifiedKFold if is_classification else KFold
    scores, seconds = [], []
    for train, test in kind(FOLDS, shuffle=True, random_state=0).split(x, y):
        found, times = [], []
        for estimator in made:
            pipeline = make_pipeline(StandardScaler(), clone(estimator))
            start = perf_counter()
            pipeline.fit(x[train], y[train])
            times.append(perf_counter() - start)
            found.append(pipeline.score(x[test], y[test]))
        scores.append(found)
        seconds.append(times)
    return np.array(scores), np.array(seconds)


def row(name: str, x: Any, y: Any) -> str:
    """Return a table's row, measured."""
    scores, seconds = measure(x, y)
    errors = scores.std(axis=0, ddof=1) / np.sqrt(len(scores))
    shown = [f"{m:.4f} ± {e:.4f}" for m, e in zip(scores.mean(axis=0), errors, strict=True)]
    ratio = np.median(seconds[:, 0] / seconds[:, 1])
    return f"| {name} | {len(x):,} x {x.shape[1]} | {' | '.join(shown)} | {ratio:.1f} |"


def main(arguments: list[str] | None = None) -> None:
    """Print the table, or write it into a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", type=Path, help="the page that the table is put into")
    parser.add_argument("--quick", action="store_true", help="a thousand rows in place of 20,000")
    given = parser.parse_args(arguments)
    lines = HEAD.splitlines()
    print(HEAD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, x, y in tables(given.quick):
            lines.append(row(name, x, y))
            print(lines[-1], flush=True)
    if given.write is not None:
        text = given.write.read_text(encoding="utf-8")
        before, _, rest = text.partition(MARKS[0])
        _, _, after = rest.partition(MARKS[1])
        table = "\n".join([MARKS[0], "", *lines, "", MARKS[1]])
        given.write.write_text(before + table + after, encoding="utf-8")


if __name__ == "__main__":
    main()
