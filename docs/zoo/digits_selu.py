"""Makes the self-normalizing digits classifier of ``unitgain.zoo`` (see ``making.py``)."""

from making import DIGITS, finish, write

import unitgain as ug
from unitgain import layers


def make() -> tuple[ug.Model, ug.zoo.Card]:
    """Train, and return the network and its card."""
    ug.random.seed(1)
    train, test = ug.datasets.load_digits()
    scale = layers.Normalization(
        axis=None, name="scale"
    )  # mean 0 and variance 1 is where it must begin
    scale.adapt(train[0])
    model = ug.Sequential([layers.Input((64,)), scale], name="digits_selu")
    for i in range(8):
        hidden = layers.Dense(48, "selu", kernel_initializer="lecun_normal", name=f"hidden_{i}")
        model.add(hidden)
        model.add(layers.AlphaDropout(0.05, name=f"drop_{i}"))
    model.add(layers.Dense(10, "softmax", name="digits"))
    loss, metrics = "sparse_categorical_crossentropy", ["accuracy"]
    rate = ug.optimizers.schedules.CosineDecay(2e-3, 60 * 22)
    model.compile(ug.optimizers.Adam(rate), loss, metrics)
    model.fit(*train, batch_size=64, epochs=60, verbose=0)
    card = ug.zoo.Card(
        task="Tells which digit an image of 8 x 8 pixels shows, by eight layers that keep their "
        "signal at unit variance without a normalisation (Klambauer et al., NeurIPS 2017).",
        **DIGITS,
        outputs="the probabilities of the digits 0 to 9",
        training="60 epochs of Adam in batches of 64, a learning rate of 0.002 that decays by a "
        "cosine, alpha dropout 0.05, seed 1",
        scores=finish(model, loss, metrics, test),
        date="2026-11-30",
        script="docs/zoo/digits_selu.py",
        classes=tuple("0123456789"),
    )
    return model, card


if __name__ == "__main__":
    write("digits_selu", make)
