"""A regression: the lower half of an image from its upper half, R squared of at least 0.4."""

import unitgain as ug
from unitgain import layers


def main() -> float:
    """Train, and return the share of the lower halves' variance that is explained."""
    ug.random.seed(1)
    (train, _), (test, _) = ug.datasets.load_digits()
    scale = layers.Normalization()
    scale.adapt(train[:, :32])
    model = ug.Sequential(
        [
            layers.Input((32,)),
            scale,
            layers.Dense(128, activation="gelu", kernel_initializer="auto"),
            layers.Dropout(0.3),
            layers.Dense(64, activation="gelu", kernel_initializer="auto"),
            layers.Dense(32),
        ]
    )
    model.compile(ug.optimizers.AdamW(3e-3), "mse")
    model.fit(train[:, :32], train[:, 32:], epochs=40, verbose=0)
    errors = ((model.predict(test[:, :32]) - test[:, 32:]) ** 2).sum()
    return float(1 - errors / ((test[:, 32:] - train[:, 32:].mean(axis=0)) ** 2).sum())


if __name__ == "__main__":
    print(f"R squared {main():.3f}")
