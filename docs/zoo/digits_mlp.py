"""Makes the digits classifier of ``unitgain.zoo`` (see ``making.py``)."""

from making import DIGITS, finish, write

import unitgain as ug
from unitgain import layers


def make() -> tuple[ug.Model, ug.zoo.Card]:
    """Train, and return the network and its card."""
    ug.random.seed(1)
    train, test = ug.datasets.load_digits()
    scale = layers.Normalization(axis=None, name="scale")
    scale.adapt(train[0])
    model = ug.Sequential([layers.Input((64,)), scale], name="digits_mlp")
    for i, units in enumerate((96, 48)):
        model.add(layers.Dense(units, "gelu", kernel_initializer="auto", name=f"hidden_{i}"))
        model.add(layers.Dropout(0.3, name=f"drop_{i}"))
    model.add(layers.Dense(10, "softmax", name="digits"))
    loss, metrics = "sparse_categorical_crossentropy", ["accuracy"]
    rate = ug.optimizers.schedules.CosineDecay(3e-3, 60 * 22)
    model.compile(ug.optimizers.AdamW(rate, weight_decay=0.01), loss, metrics)
    model.fit(*train, batch_size=64, epochs=60, verbose=0)
    card = ug.zoo.Card(
        task="Tells which digit an image of 8 x 8 pixels shows.",
        **DIGITS,
        outputs="the probabilities of the digits 0 to 9",
        training="60 epochs of AdamW in batches of 64, a learning rate of 0.003 that decays by a "
        "cosine, weight decay 0.01, dropout 0.3, seed 1",
        scores=finish(model, loss, metrics, test),
        date="2026-11-30",
        script="docs/zoo/digits_mlp.py",
        classes=tuple("0123456789"),
    )
    return model, card


if __name__ == "__main__":
    write("digits_mlp", make)
