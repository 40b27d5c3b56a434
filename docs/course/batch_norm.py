"""Batch norm before and after the activation, in a deep net: at least 95% either way."""

import unitgain as ug
from unitgain import layers


def accuracy(before: bool) -> float:
    """Train a net of six hidden layers, and return its accuracy on the test digits."""
    ug.random.seed(2)
    (x_train, y_train), (x_test, y_test) = ug.datasets.load_digits()
    model = ug.Sequential([layers.Input((64,))])
    for _ in range(6):
        model.add(layers.Dense(64, use_bias=not before, kernel_initializer="he_normal"))
        if before:
            model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.Activation("relu"))
        if not before:
            model.add(layers.BatchNormalization(momentum=0.9))
    model.add(layers.Dense(10))
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(ug.optimizers.Adam(2e-3), loss, metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=30, verbose=0)
    return float(model.evaluate(x_test, y_test, return_dict=True)["accuracy"])


def main() -> float:
    """Return the smaller accuracy of the two."""
    return min(accuracy(before=True), accuracy(before=False))


if __name__ == "__main__":
    print(f"before {accuracy(True):.3f}, after {accuracy(False):.3f}")
