"""One cycle of the learning rate, up and down, in ten epochs: at least 96%."""

import unitgain as ug
from unitgain import layers

EPOCHS, BATCH = 10, 32


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
    steps = EPOCHS * -(-len(x_train) // BATCH)
    cycle = ug.optimizers.schedules.OneCycle(max_lr=0.3, total_steps=steps, pct_start=0.5)
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(ug.optimizers.SGD(cycle, momentum=0.9), loss, metrics=["accuracy"])
    model.fit(x_train, y_train, BATCH, EPOCHS, verbose=0)
    return float(model.evaluate(x_test, y_test, return_dict=True)["accuracy"])


if __name__ == "__main__":
    print(f"accuracy {main():.3f}")
