"""Makes the classifier of tumours of ``unitgain.zoo`` (see ``making.py``; needs scikit-learn)."""

import numpy as np
from making import SPLIT, finish, split, write
from sklearn.datasets import load_breast_cancer

import unitgain as ug
from unitgain import layers


def make() -> tuple[ug.Model, ug.zoo.Card]:
    """Train, and return the network and its card."""
    ug.random.seed(1)
    data = load_breast_cancer()
    train, test = split(data.data.astype(np.float32), data.target.astype(np.float32))
    scale = layers.Normalization(name="scale")
    scale.adapt(train[0])
    model = ug.Sequential(
        [
            layers.Input((30,)),
            scale,
            layers.Dense(24, "gelu", kernel_initializer="auto", name="hidden"),
            layers.Dropout(0.3, name="drop"),
            layers.Dense(1, "sigmoid", name="benign"),
        ],
        name="breast_cancer_mlp",
    )
    loss, metrics = "binary_crossentropy", ["binary_accuracy", ug.metrics.AUC()]
    rate = ug.optimizers.schedules.CosineDecay(3e-3, 40 * 14)
    model.compile(ug.optimizers.AdamW(rate, weight_decay=0.1), loss, metrics)
    model.fit(*train, batch_size=32, epochs=40, verbose=0)
    card = ug.zoo.Card(
        task="Tells benign from malignant tumours, by measures of the cells' nuclei in an image. "
        "An example, not for use on patients.",
        data=f"Breast Cancer Wisconsin (Diagnostic): 569 tumours; {SPLIT}",
        source="W. Wolberg, O. Mangasarian, N. Street and W. Street, UCI Machine Learning "
        "Repository, 1993, https://doi.org/10.24432/C5DW2B; sklearn.datasets.load_breast_cancer",
        licence="CC BY 4.0",
        inputs="30 numbers: " + ", ".join(map(str, data.feature_names)),
        outputs="the probability that the tumour is benign",
        training="40 epochs of AdamW in batches of 32, a learning rate of 0.003 that decays by a "
        "cosine, weight decay 0.1, dropout 0.3, seed 1",
        scores=finish(model, loss, metrics, test),
        date="2026-11-30",
        script="docs/zoo/breast_cancer_mlp.py",
        classes=tuple(map(str, data.target_names)),
    )
    return model, card


if __name__ == "__main__":
    write("breast_cancer_mlp", make)
