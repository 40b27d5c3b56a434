"""Makes the regressor of ``unitgain.zoo`` (see ``making.py``; needs scikit-learn)."""

import numpy as np
from making import SPLIT, finish, split, write
from sklearn.datasets import load_diabetes

import unitgain as ug
from unitgain import layers


def make() -> tuple[ug.Model, ug.zoo.Card]:
    """Train, and return the network and its card."""
    ug.random.seed(1)
    data = load_diabetes(scaled=False)
    train, test = split(data.data.astype(np.float32), data.target.astype(np.float32))
    scale = layers.Normalization(name="scale")
    scale.adapt(train[0])
    mean, deviation = float(train[1].mean()), float(train[1].std())
    model = ug.Sequential(
        [
            layers.Input((10,)),
            scale,
            layers.Dense(32, "gelu", kernel_initializer="auto", name="hidden"),
            layers.Dropout(0.3, name="drop"),
            layers.Dense(1, name="progression"),
            layers.Rescaling(deviation, mean, name="units"),
        ],
        name="diabetes_mlp",
    )
    # In units of the target's variance the loss does not depend on what the target is measured in.
    loss = ug.losses.Huber(delta=deviation)
    rate = ug.optimizers.schedules.CosineDecay(3e-3, 60 * 11)
    model.compile(ug.optimizers.AdamW(rate, weight_decay=0.1), loss)
    model.fit(*train, batch_size=32, epochs=60, verbose=0)
    card = ug.zoo.Card(
        task="Tells from a patient's state how far diabetes will have gone a year later.",
        data=f"442 patients with diabetes; {SPLIT}",
        source='B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, "Least angle regression", '
        "Annals of Statistics 2004; sklearn.datasets.load_diabetes(scaled=False)",
        licence="published by the authors without a licence's text; distributed with scikit-learn "
        "under BSD-3-Clause",
        inputs="10 numbers: " + ", ".join(data.feature_names),
        outputs="a measure of the disease's progression, 25 to 346 in the data",
        training="60 epochs of AdamW in batches of 32, a learning rate of 0.003 that decays by a "
        "cosine, weight decay 0.1, dropout 0.3, Huber's loss, seed 1",
        scores=finish(model, "mse", ["mae", "r2_score"], test),
        date="2026-11-30",
        script="docs/zoo/diabetes_mlp.py",
    )
    return model, card


if __name__ == "__main__":
    write("diabetes_mlp", make)
