"""Makes the autoencoder of ``unitgain.zoo`` (see ``making.py``)."""

from making import DIGITS, finish, write

import unitgain as ug
from unitgain import layers


def make() -> tuple[ug.Model, ug.zoo.Card]:
    """Train, and return the network and its card."""
    ug.random.seed(1)
    (train, _), (test, _) = ug.datasets.load_digits()
    scale = layers.Normalization(axis=None, name="scale")
    scale.adapt(train)
    encoder = ug.Sequential(
        [
            layers.Input((64,)),
            scale,
            layers.Dense(96, "elu", kernel_initializer="auto", name="encode_0"),
            layers.Dense(48, "elu", kernel_initializer="auto", name="encode_1"),
            layers.Dense(12, name="code"),
        ],
        name="encoder",
    )
    decoder = ug.Sequential(
        [
            layers.Input((12,)),
            layers.Dense(48, "elu", kernel_initializer="auto", name="decode_0"),
            layers.Dense(96, "elu", kernel_initializer="auto", name="decode_1"),
            layers.Dense(64, "sigmoid", name="pixels"),
        ],
        name="decoder",
    )
    model = ug.Sequential([layers.Input((64,)), encoder, decoder], name="digits_autoencoder")
    rate = ug.optimizers.schedules.CosineDecay(3e-3, 100 * 22)
    model.compile(ug.optimizers.Adam(rate), "mse")
    model.fit(train, train, batch_size=64, epochs=100, verbose=0)
    card = ug.zoo.Card(
        task="Puts an image of 8 x 8 pixels into twelve numbers, and makes it again from them; "
        'get_layer("encoder") and get_layer("decoder") are its halves.',
        **DIGITS,
        outputs="64 pixels, from 0 to 1",
        training="100 epochs of Adam in batches of 64, a learning rate of 0.003 that decays by a "
        "cosine, mean squared error, seed 1; labels were not used",
        scores=finish(model, "mse", ["mae", "r2_score"], (test, test)),
        date="2026-11-30",
        script="docs/zoo/digits_autoencoder.py",
    )
    return model, card


if __name__ == "__main__":
    write("digits_autoencoder", make)
