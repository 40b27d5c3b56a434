"""The networks behind the estimators: made from their arguments, and compiled."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from unitgain import activations, initializers, layers, optimizers, random, regularizers
from unitgain.models import Model, Sequential

__all__ = ["dense_layers", "hidden_sizes", "made_network", "made_optimizer", "set_penalty"]

# scikit-learn's names of some activations.
_ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid"}
# The activations whose weights it draws by Glorot's rule; the others' are drawn by ours.
_SKLEARNS = ("identity", "linear", "logistic", "sigmoid", "tanh", "relu")


def hidden_sizes(estimator: Any) -> list[int]:
    """Return the units of the hidden layers."""
    return [int(size) for size in np.atleast_1d(estimator.hidden_layer_sizes)]


def made_network(
    estimator: Any,
    features: int,
    units: int,
    last: str | None,
    dtype: str,
    state: np.random.RandomState,
    use_bias: bool = True,
) -> tuple[Sequential, int]:
    """Return a network with new weights, and a key for whatever else is drawn.

    Where the initializer is scikit-learn's, so are the weights that it gives for this state.

    Args:
        estimator: whose arguments say what it is made of.
        features: of a sample.
        units: of the output.
        last: the output's activation.
        dtype: of the weights.
        state: what they are drawn from.
        use_bias: whether the output has a bias.
    """
    given = estimator.initializer
    by_sklearn = given is None and estimator.activation in _SKLEARNS
    # From a copy, where the state has to give what scikit-learn draws from it.
    source = copy.deepcopy(state) if by_sklearn else state
    key = int(source.randint(2**31))
    activation = _ACTIVATIONS.get(estimator.activation, estimator.activation)
    activations.get(activation)
    with random.drawing_from(random.Streams(key)):
        first: Any = given
        if given is None:
            first = "zeros" if by_sklearn else initializers.for_activation(activation)
        output = layers.Dense(units, last, use_bias, kernel_initializer=first)
        hidden = _hidden_layers(estimator, activation, first)
        network = Sequential([layers.Input((features,), dtype), *hidden, output])
        if by_sklearn:
            for dense in dense_layers(network):
                _draw(dense, state, 2.0 if activation == "sigmoid" else 6.0)
    return network, key


def _hidden_layers(estimator: Any, activation: Any, initializer: Any) -> Iterator[Any]:
    sizes = hidden_sizes(estimator)
    shares = np.ravel(estimator.dropout).tolist()
    if len(shares) == 1:
        shares *= len(sizes)
    if len(shares) != len(sizes):
        raise ValueError(f"dropout is {estimator.dropout!r}, but there are {len(sizes)} layers")
    for size, share in zip(sizes, shares, strict=True):
        if estimator.batch_norm:
            yield layers.Dense(size, kernel_initializer=initializer)
            yield layers.BatchNormalization()
            yield layers.Activation(activation)
        else:
            yield layers.Dense(size, activation, kernel_initializer=initializer)
        if share:
            yield layers.Dropout(share)


def _draw(dense: layers.Dense, state: np.random.RandomState, factor: float) -> None:
    """Draw a layer's weights as scikit-learn does: Glorot's rule, the biases by it, too."""
    assert dense.bias is not None
    bound = np.sqrt(factor / sum(dense.kernel.shape))
    dense.kernel.assign(state.uniform(-bound, bound, dense.kernel.shape))
    dense.bias.assign(state.uniform(-bound, bound, dense.bias.shape))


def dense_layers(model: Model) -> list[layers.Dense]:
    """Return the dense layers, in their order."""
    return [layer for layer in model.leaves() if isinstance(layer, layers.Dense)]


def set_penalty(model: Model, factor: float) -> None:
    """Give the kernels of dense layers the penalty ``factor * sum(w**2)``."""
    for dense in dense_layers(model):
        old = dense.kernel.regularizer
        if (old.l2 if isinstance(old, regularizers.L2) else 0.0) != factor:
            dense.kernel.regularizer = regularizers.L2(factor) if factor else None


def made_optimizer(estimator: Any) -> optimizers.Optimizer:
    """Return a new optimizer that an estimator's arguments describe."""
    solver, rate = estimator.solver, estimator.learning_rate
    first = estimator.learning_rate_init if isinstance(rate, str) else rate
    if isinstance(solver, optimizers.Optimizer):
        return type(solver).from_config(solver.get_config())
    if solver == "sgd":
        nesterov = estimator.nesterovs_momentum
        return optimizers.SGD(first, momentum=estimator.momentum, nesterov=nesterov)
    if solver == "adam":
        betas = {"beta_1": estimator.beta_1, "beta_2": estimator.beta_2}
        return optimizers.Adam(first, epsilon=estimator.epsilon, **betas)
    found = optimizers.get(solver)
    return type(found).from_config({**found.get_config(), "learning_rate": first})
