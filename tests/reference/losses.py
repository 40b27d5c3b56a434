"""Reference values of Keras's and PyTorch's losses with their gradients.

    KERAS_BACKEND=torch python tests/reference/losses.py

writes ``losses.npz`` beside this file. The tests read that file, and need neither library. Of each
case, without and with weights, it holds the values of the reductions to one number, those of the
rows, and the gradients, in the order of ``REDUCTIONS``, all in float64.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".npz")
REDUCTIONS = ["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", None]
ROWS = (2, 3)  # the leading shape

# Class, its arguments, the kind of targets and the kind of predictions; see `arrays`.
CASES = {
    "sparse": ("SparseCategoricalCrossentropy", {}, "labels", "probabilities"),
    "sparse_logits": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True},
        "labels",
        "logits",
    ),
    "sparse_ignore": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True, "ignore_class": 2},
        "labels",
        "logits",
    ),
    "sparse_ignore_minus_1": (
        "SparseCategoricalCrossentropy",
        {"ignore_class": -1},
        "labels_and_minus_1",
        "probabilities",
    ),
    "sparse_ignore_all": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True, "ignore_class": 1},
        "ones",
        "logits",
    ),
    "categorical": ("CategoricalCrossentropy", {}, "distributions", "probabilities"),
    "categorical_clipped": ("CategoricalCrossentropy", {}, "one_hot", "saturated"),
    "categorical_logits": (
        "CategoricalCrossentropy",
        {"from_logits": True},
        "one_hot",
        "logits",
    ),
    "categorical_smooth": (
        "CategoricalCrossentropy",
        {"from_logits": True, "label_smoothing": 0.1},
        "distributions",
        "logits",
    ),
    "categorical_smooth_probabilities": (
        "CategoricalCrossentropy",
        {"label_smoothing": 0.2},
        "one_hot",
        "probabilities",
    ),
    "binary": ("BinaryCrossentropy", {}, "binary", "probabilities"),
    "binary_clipped": ("BinaryCrossentropy", {}, "binary", "saturated"),
    "binary_logits": ("BinaryCrossentropy", {"from_logits": True}, "binary", "logits"),
    "binary_smooth": (
        "BinaryCrossentropy",
        {"from_logits": True, "label_smoothing": 0.1},
        "binary",
        "logits",
    ),
    "binary_smooth_probabilities": (
        "BinaryCrossentropy",
        {"label_smoothing": 0.3},
        "binary",
        "probabilities",
    ),
    "mse": ("MeanSquaredError", {}, "values", "logits"),
    "mae": ("MeanAbsoluteError", {}, "values", "logits"),
    "huber": ("Huber", {}, "values", "logits"),
    "huber_delta": ("Huber", {"delta": 0.5}, "values", "logits"),
    "log_cosh": ("LogCosh", {}, "values", "logits"),
    "poisson": ("Poisson", {}, "counts", "probabilities"),
    "kl": ("KLDivergence", {}, "distributions", "probabilities"),
    "kl_clipped": ("KLDivergence", {}, "one_hot", "saturated"),
    "hinge": ("Hinge", {}, "signs", "logits"),
    "hinge_binary": ("Hinge", {}, "binary", "logits"),
    "squared_hinge": ("SquaredHinge", {}, "signs", "logits"),
    "squared_hinge_binary": ("SquaredHinge", {}, "binary", "logits"),
    "categorical_hinge": ("CategoricalHinge", {}, "one_hot", "logits"),
    "cosine": ("CosineSimilarity", {}, "values", "logits"),
    "cosine_of_nothing": ("CosineSimilarity", {}, "rows_of_zeros", "logits"),
    "binary_focal": ("BinaryFocalCrossentropy", {}, "binary", "probabilities"),
    "binary_focal_clipped": ("BinaryFocalCrossentropy", {}, "binary", "saturated"),
    "binary_focal_logits": (
        "BinaryFocalCrossentropy",
        {"gamma": 1.5, "from_logits": True},
        "binary",
        "logits",
    ),
    "binary_focal_balanced": (
        "BinaryFocalCrossentropy",
        {"apply_class_balancing": True, "alpha": 0.3, "gamma": 3.0, "label_smoothing": 0.2},
        "binary",
        "probabilities",
    ),
    "binary_focal_balanced_logits": (
        "BinaryFocalCrossentropy",
        {"apply_class_balancing": True, "from_logits": True, "label_smoothing": 0.1},
        "binary",
        "logits",
    ),
    "binary_focal_plain": ("BinaryFocalCrossentropy", {"gamma": 0.0}, "binary", "probabilities"),
    "categorical_focal": ("CategoricalFocalCrossentropy", {}, "one_hot", "probabilities"),
    "categorical_focal_clipped": ("CategoricalFocalCrossentropy", {}, "one_hot", "saturated"),
    "categorical_focal_logits": (
        "CategoricalFocalCrossentropy",
        {"alpha": [0.1, 0.5, 0.2, 1.0, 0.7, 0.3], "gamma": 1.5, "from_logits": True},
        "distributions",
        "logits",
    ),
    "categorical_focal_smooth": (
        "CategoricalFocalCrossentropy",
        {"gamma": 0.5, "label_smoothing": 0.2},
        "one_hot",
        "probabilities",
    ),
    "dice": ("Dice", {}, "binary", "probabilities"),
    "dice_of_rows": ("Dice", {"axis": -1}, "binary", "probabilities"),
    "tversky": ("Tversky", {}, "binary", "probabilities"),
    "tversky_settings": ("Tversky", {"alpha": 0.2, "beta": 0.9}, "binary", "probabilities"),
    "tversky_of_rows": (
        "Tversky",
        {"alpha": 0.7, "beta": 0.3, "axis": 2},
        "distributions",
        "probabilities",
    ),
    "circle": ("Circle", {}, "groups", "embeddings"),
    "circle_settings": (
        "Circle",
        {"gamma": 5.0, "margin": 0.1, "remove_diagonal": False},
        "groups",
        "embeddings",
    ),
    "circle_apart": ("Circle", {"gamma": 20000.0, "margin": 0.2}, "groups", "clusters"),
    "gaussian": ("GaussianNLL", {}, "halves", "means_and_variances"),
    "gaussian_full": ("GaussianNLL", {"full": True}, "halves", "means_and_variances"),
    "gaussian_eps": ("GaussianNLL", {"eps": 0.6}, "halves", "means_and_variances"),
}


def arrays():
    """Return the targets and predictions by kind, and the weights of the rows."""
    rng = np.random.default_rng(4)
    classes = 6
    shape = (*ROWS, classes)
    labels = rng.integers(0, classes, ROWS)
    labels[0, 1] = 2
    weights = rng.random(shape)
    saturated = rng.random(shape)
    saturated[..., 0] = 0.0
    saturated[0] = np.eye(classes)[:3]
    made = {
        "labels": labels,
        "labels_and_minus_1": np.where(np.arange(6).reshape(ROWS) % 3 == 1, -1, labels),
        "ones": np.ones(ROWS, np.int64),
        "one_hot": np.eye(classes)[labels],
        "distributions": weights / weights.sum(-1, keepdims=True),
        "binary": rng.integers(0, 2, shape).astype(float),
        "signs": 2.0 * rng.integers(0, 2, shape) - 1,
        "counts": rng.poisson(3.0, shape).astype(float),
        "values": rng.standard_normal(shape),
        "halves": rng.standard_normal((*ROWS, classes // 2)),
        "logits": 2 * rng.standard_normal(shape),
        "probabilities": 0.01 + 0.9 * rng.random(shape),
        "saturated": saturated,
        "means_and_variances": rng.random(shape) + 0.2,
    }
    row_weights = rng.random(ROWS)
    made["rows_of_zeros"] = np.where(np.arange(3)[:, None] == 1, 0, made["values"])
    embeddings = rng.standard_normal((12, 4))
    made["embeddings"] = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    # Most rows are near their own groups and far from others: they have no loss, and do not count.
    clusters = np.eye(4)[np.arange(12) % 4] + 0.01 * rng.standard_normal((12, 4))
    clusters[4] = [0.5, 0.6, 0.1, 0.0]
    made["clusters"] = clusters / np.linalg.norm(clusters, axis=1, keepdims=True)
    made["groups"] = np.arange(12) % 4 - 1
    made["weights of groups"] = rng.random(12)
    return made, row_weights


def reference(case, reduction, weighted):
    """Return the value and the gradient that Keras or PyTorch gives."""
    import keras
    import torch

    name, options, targets, predictions = CASES[case]
    made, weights = arrays()
    weights = made.get(f"weights of {targets}", weights)
    y_pred = torch.tensor(made[predictions], dtype=torch.float64, requires_grad=True)
    if name == "GaussianNLL":
        mean, variance = torch.chunk(y_pred, 2, dim=-1)
        target = torch.tensor(made[targets])
        rows = torch.nn.functional.gaussian_nll_loss(
            mean, target, variance, reduction="none", **options
        ).mean(-1)
        if weighted:
            rows = rows * torch.tensor(weights)
        divisor = weights.sum() if weighted else weights.size
        value = {
            None: rows,
            "sum": rows.sum(),
            "mean_with_sample_weight": rows.sum() / divisor,
        }.get(reduction, rows.mean())
    else:
        loss = getattr(keras.losses, name)(**options, reduction=reduction, dtype="float64")
        value = loss(made[targets], y_pred, weights if weighted else None)
    value.sum().backward()
    return value.detach().numpy(), y_pred.grad.numpy()


def main():
    """Write the file."""
    import keras
    from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE

    # Keras computes in float64 throughout with TensorFlow alone; as it does there.
    BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    keras.config.set_floatx("float64")
    stored = {}
    for case in CASES:
        for weighted in (False, True):
            values, gradients = zip(
                *(reference(case, reduction, weighted) for reduction in REDUCTIONS), strict=True
            )
            stored[f"{case}/{weighted}/values"] = np.array(values[:-1])
            stored[f"{case}/{weighted}/rows"] = values[-1]
            stored[f"{case}/{weighted}/gradients"] = np.array(gradients)
    np.savez_compressed(FILE, **stored)


if __name__ == "__main__":
    main()
