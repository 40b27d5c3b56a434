"""The limited-memory BFGS method on all samples: SciPy's, with gradients from the network."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize
from sklearn.exceptions import ConvergenceWarning

from unitgain._arrays import is_sparse
from unitgain.models import Model

__all__ = ["minimise"]

# Samples whose gradient is computed at a time where they are made dense for it.
_ROWS = 4096


def minimise(
    model: Model,
    X: Any,
    y: NDArray[Any],
    weights: NDArray[Any] | None,
    estimator: Any,
    l1: float = 0.0,
) -> tuple[float, int]:
    """Train a compiled model to where its gradient is small; return its loss and the iterations.

    Args:
        model: whose loss, with its penalties, is made small.
        X: samples, or a sparse matrix of them.
        y: targets.
        weights: of the samples.
        estimator: whose arguments ``tol``, ``max_iter`` and ``max_fun`` say when it ends.
        l1: the factor of the sum of the kernels' absolute entries, which is added to the loss.
            Entries are then differences of two numbers of at least 0, so that the sum is smooth.
    """
    variables = model.trainable_weights
    shapes = [variable.shape for variable in variables]
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    others = [weight for weight in model.weights if weight not in variables]

    def unpack(point: NDArray[Any]) -> None:
        parts = np.split(point, ends)
        found = {id(v): p.reshape(s) for v, p, s in zip(variables, parts, shapes, strict=True)}
        found |= {id(v): v.numpy() for v in others}
        model.set_weights([found[id(v)] for v in model.weights])

    def loss_and_gradient(point: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        unpack(point)
        total, gradient = 0.0, np.zeros_like(point)
        for share, rows in parts:
            part = None if weights is None else weights[rows]
            loss, arrays = model.gradients(X[rows], y[rows], part)
            total += share * loss
            gradient += share * np.concatenate([array.ravel() for array in arrays])
        return total, gradient

    # The factor of each entry: a bias has none.
    costs = np.concatenate([np.full(math.prod(s), l1 if len(s) > 1 else 0.0) for s in shapes])

    def split_loss_and_gradient(pair: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        loss, gradient = loss_and_gradient(np.subtract(*np.split(pair, 2)))
        both = np.concatenate([gradient + costs, costs - gradient])
        return loss + float(costs @ np.add(*np.split(pair, 2))), both

    parts = _parts(X, weights)
    start = np.concatenate([variable.numpy().ravel() for variable in variables])
    start, bounds = start.astype(np.float64), None
    if l1:
        is_free = costs == 0
        start = np.concatenate(
            [np.where(is_free, start, np.maximum(start, 0)), np.maximum(-start, 0) * ~is_free]
        )
        least = np.concatenate([np.where(is_free, -np.inf, 0.0), np.zeros(len(costs))])
        most = np.concatenate([np.full(len(costs), np.inf), np.where(is_free, 0.0, np.inf)])
        bounds = Bounds(least, most)
    found = minimize(
        split_loss_and_gradient if l1 else loss_and_gradient,
        start,
        bounds=bounds,
        method="L-BFGS-B",
        jac=True,
        options={
            "maxfun": estimator.max_fun,
            "maxiter": estimator.max_iter,
            "gtol": estimator.tol,
            **estimator._lbfgs_options,
        },
    )
    unpack(np.subtract(*np.split(found.x, 2)) if l1 else found.x)
    if estimator.verbose:
        print(f"{found.nit} iterations, loss {found.fun:.8f}")
    if found.status != 0:
        warnings.warn(
            f"lbfgs has not converged after {found.nit} iterations: {found.message}. Scale the "
            "data, or increase max_iter",
            ConvergenceWarning,
            stacklevel=4,
        )
    return float(found.fun), min(int(found.nit), estimator.max_iter)


def _parts(X: Any, weights: NDArray[Any] | None) -> list[tuple[float, slice]]:
    """Return the rows that are taken at a time, each with its share of the whole."""
    count = X.shape[0]
    if not is_sparse(X):
        return [(1.0, slice(None))]
    parts = [slice(first, first + _ROWS) for first in range(0, count, _ROWS)]
    amounts = np.ones(count) if weights is None else weights
    whole = amounts.sum()
    return [(float(amounts[rows].sum() / whole) if whole else 0.0, rows) for rows in parts]
