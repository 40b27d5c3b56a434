"""Makes the classifier of wines of ``unitgain.zoo`` (see ``making.py``; needs scikit-learn)."""

import numpy as np
from making import SPLIT, finish, split, write
from sklearn.datasets import load_wine

import unitgain as ug
from unitgain import layers


def make() -> tuple[ug.Model, ug.zoo.Card]:
    """Train, and return the network and its card."""
    ug.random.seed(1)
    data = load_wine()
    train, test = split(data.data.astype(np.float32), data.target)
    scale = layers.Normalization(name="scale")
    scale.adapt(train[0])
    model = ug.Sequential(
        [
            layers.Input((13,)),
            scale,
            layers.Dense(16, "gelu", kernel_initializer="auto", name="hidden"),
            layers.Dropout(0.3, name="drop"),
            layers.Dense(3, "softmax", name="cultivar"),
        ],
        name="wine_mlp",
    )
    loss, metrics = "sparse_categorical_crossentropy", ["accuracy"]
    model.compile(ug.optimizers.AdamW(5e-3, weight_decay=0.1), loss, metrics)
    model.fit(*train, batch_size=16, epochs=40, verbose=0)
    card = ug.zoo.Card(
        task="Tells which of three cultivars a wine was made of, by its chemical analysis.",
        data=f"Wine: 178 wines of one region in Italy; {SPLIT}",
        source="S. Aeberhard and M. Forina, UCI Machine Learning Repository, 1992, "
        "https://doi.org/10.24432/C5PC7J; sklearn.datasets.load_wine",
        licence="CC BY 4.0",
        inputs="13 numbers: " + ", ".join(data.feature_names),
        outputs="the probabilities of the three cultivars",
        training="40 epochs of AdamW in batches of 16, a learning rate of 0.005, weight decay 0.1, "
        "dropout 0.3, seed 1",
        scores=finish(model, loss, metrics, test),
        date="2026-11-30",
        script="docs/zoo/wine_mlp.py",
        classes=tuple(map(str, data.target_names)),
    )
    return model, card


if __name__ == "__main__":
    write("wine_mlp", make)
