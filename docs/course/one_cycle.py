"""One cycle of the learning rate, up and down, in ten epochs: at least 96%."""

import unitgain as ug
from unitgain import layers


class OneCycle(ug.callbacks.Callback):
    """Raises the learning rate for half of the epochs, then lowers it (Smith, 2018)."""

    def __init__(self, highest: float, epochs: int) -> None:
        self.highest, self.epochs = highest, epochs

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Set the epoch's learning rate."""
        position = (epoch + 0.5) / self.epochs
        self.model.optimizer.learning_rate = self.highest * (1 - abs(2 * position - 1))


def main() -> float:
    """Train, and return the accuracy on the test digits."""
    ug.random.seed(1)
    (x_train, y_train), (x_test, y_test) = ug.datasets.load_digits()
    model = ug.Sequential(
        [
            layers.Input((64,)),
            layers.Dense(256, activation="relu", kernel_initializer="auto"),
            layers.Dense(10),
        ]
    )
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(ug.optimizers.SGD(momentum=0.9), loss, metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=10, callbacks=[OneCycle(0.3, 10)], verbose=0)
    return float(model.evaluate(x_test, y_test, return_dict=True)["accuracy"])


if __name__ == "__main__":
    print(f"accuracy {main():.3f}")
