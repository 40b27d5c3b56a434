"""Reference values of Keras's metrics, by themselves and reported by ``evaluate``.

    KERAS_BACKEND=torch python tests/reference/metrics.py

writes ``metrics.npz`` beside this file. The tests read that file, and do not need Keras. Of each
case, without and with weights, it holds the results after one batch and after two, in float64.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".npz")
CLASSES = 6
BATCHES = (7, 12)  # rows

# Class, its arguments, the kind of targets and the kind of predictions; see `arrays`.
CASES = {
    "accuracy": ("Accuracy", {}, "counts", "guesses"),
    "binary": ("BinaryAccuracy", {}, "binary", "shares"),
    "binary_threshold": ("BinaryAccuracy", {"threshold": 0.25}, "binary", "shares"),
    "categorical": ("CategoricalAccuracy", {}, "one_hot", "shares"),
    "sparse": ("SparseCategoricalAccuracy", {}, "labels", "shares"),
    "top_1": ("TopKCategoricalAccuracy", {"k": 1}, "one_hot", "shares"),
    "top_2": ("TopKCategoricalAccuracy", {"k": 2}, "one_hot", "shares"),
    "sparse_top_3": ("SparseTopKCategoricalAccuracy", {"k": 3}, "labels", "shares"),
    "precision": ("Precision", {}, "binary", "shares"),
    "precision_thresholds": ("Precision", {"thresholds": [0.75, 0.25]}, "binary", "shares"),
    "precision_even": ("Precision", {"thresholds": [0.0, 0.5, 1.0]}, "binary", "shares"),
    "precision_top": ("Precision", {"top_k": 2}, "binary", "distinct"),
    "precision_top_class": ("Precision", {"top_k": 3, "class_id": 1}, "binary", "distinct"),
    "precision_class": ("Precision", {"class_id": 2}, "binary", "shares"),
    "recall": ("Recall", {}, "binary", "shares"),
    "recall_thresholds": ("Recall", {"thresholds": [0.1, 0.5, 0.9]}, "binary", "shares"),
    "recall_top": ("Recall", {"top_k": 2, "thresholds": 0.5}, "binary", "distinct"),
    "recall_class": ("Recall", {"class_id": 5}, "binary", "shares"),
    "tp": ("TruePositives", {}, "binary", "shares"),
    "fp": ("FalsePositives", {"thresholds": [0.25, 0.5]}, "binary", "shares"),
    "tn": ("TrueNegatives", {}, "binary", "shares"),
    "fn": ("FalseNegatives", {"thresholds": 0.75}, "binary", "shares"),
    "auc": ("AUC", {}, "binary", "shares"),
    "auc_few": ("AUC", {"num_thresholds": 5}, "binary", "shares"),
    "auc_two": ("AUC", {"num_thresholds": 2}, "binary", "shares"),
    "auc_given": ("AUC", {"thresholds": [0.9, 0.2, 0.5]}, "binary", "shares"),
    "auc_minoring": ("AUC", {"summation_method": "minoring"}, "binary", "shares"),
    "auc_majoring": ("AUC", {"summation_method": "majoring"}, "binary", "shares"),
    "auc_pr": ("AUC", {"curve": "PR"}, "binary", "shares"),
    "auc_pr_minoring": (
        "AUC",
        {"curve": "PR", "summation_method": "minoring", "num_thresholds": 20},
        "binary",
        "shares",
    ),
    "auc_gain": ("AUC", {"curve": "PRGAIN"}, "binary", "shares"),
    "auc_labels": ("AUC", {"multi_label": True}, "binary", "shares"),
    "auc_labels_pr": ("AUC", {"multi_label": True, "curve": "PR"}, "binary", "shares"),
    "auc_label_weights": (
        "AUC",
        {"multi_label": True, "label_weights": [1.0, 2.0, 0.0, 0.5, 1.0, 3.0]},
        "binary",
        "shares",
    ),
    "auc_flat_label_weights": (
        "AUC",
        {"label_weights": [1.0, 2.0, 0.0, 0.5, 1.0, 3.0]},
        "binary",
        "shares",
    ),
    "auc_logits": ("AUC", {"from_logits": True}, "binary", "values"),
    "auc_column": ("AUC", {}, "column", "column_shares"),
    "auc_wide": ("AUC", {}, "binary", "wide"),
    "sensitivity": ("SensitivityAtSpecificity", {"specificity": 0.6}, "binary", "shares"),
    "specificity": ("SpecificityAtSensitivity", {"sensitivity": 0.4}, "binary", "shares"),
    "precision_at": ("PrecisionAtRecall", {"recall": 0.3}, "binary", "shares"),
    "recall_at": (
        "RecallAtPrecision",
        {"precision": 0.5, "num_thresholds": 1, "class_id": 3},
        "binary",
        "shares",
    ),
    "f1": ("F1Score", {}, "one_hot", "shares"),
    "f1_threshold": ("F1Score", {"threshold": 0.5, "average": "macro"}, "binary", "shares"),
    "f1_micro": ("F1Score", {"average": "micro"}, "binary", "shares"),
    "fbeta_weighted": ("FBetaScore", {"average": "weighted", "beta": 2.0}, "binary", "shares"),
    "mse": ("MeanSquaredError", {}, "values", "others"),
    "rmse": ("RootMeanSquaredError", {}, "values", "others"),
    "mae": ("MeanAbsoluteError", {}, "values", "others"),
    "mape": ("MeanAbsolutePercentageError", {}, "counts", "others"),
    "msle": ("MeanSquaredLogarithmicError", {}, "counts", "others"),
    "log_cosh": ("LogCoshError", {}, "values", "others"),
    "cosine": ("CosineSimilarity", {}, "sparse_values", "others"),
    "pearson": ("PearsonCorrelation", {}, "values", "others"),
    "concordance": ("ConcordanceCorrelation", {}, "values", "others"),
    "r2": ("R2Score", {}, "values", "others"),
    "r2_each": ("R2Score", {"class_aggregation": None}, "values", "others"),
    "r2_variance": (
        "R2Score",
        {"class_aggregation": "variance_weighted_average"},
        "values",
        "others",
    ),
    "r2_adjusted": ("R2Score", {"num_regressors": 3}, "values", "others"),
    "bce": ("BinaryCrossentropy", {"label_smoothing": 0.1}, "binary", "shares"),
    "bce_logits": ("BinaryCrossentropy", {"from_logits": True}, "binary", "values"),
    "cce": ("CategoricalCrossentropy", {}, "one_hot", "distinct"),
    "cce_logits": ("CategoricalCrossentropy", {"from_logits": True}, "one_hot", "values"),
    "scce": ("SparseCategoricalCrossentropy", {}, "labels", "distinct"),
    "scce_ignore": (
        "SparseCategoricalCrossentropy",
        {"from_logits": True, "ignore_class": 2},
        "labels",
        "values",
    ),
    "kl": ("KLDivergence", {}, "one_hot", "distinct"),
    "poisson": ("Poisson", {}, "counts", "distinct"),
    "hinge": ("Hinge", {}, "binary", "values"),
    "hinge_signs": ("Hinge", {}, "signs", "values"),
    "squared_hinge": ("SquaredHinge", {}, "binary", "values"),
    "categorical_hinge": ("CategoricalHinge", {}, "one_hot", "values"),
}


def arrays(batch):
    """Return a batch's targets and predictions by kind, and the weights of its rows.

    What is compared with thresholds is a multiple of 1/32, so that there are ties, exact in any
    precision.
    """
    rng = np.random.default_rng(40 + batch)
    rows = BATCHES[batch]
    shape = (rows, CLASSES)
    labels = rng.integers(0, CLASSES, rows)
    labels[:2] = 2, 4
    shares = rng.integers(0, 33, shape) / 32
    shares[0] = 0.0
    shares[1, :3] = 0.0, 1.0, 0.5
    distinct = np.argsort(rng.random(shape), -1) / 8 + 1 / 16
    values = rng.integers(-64, 65, shape) / 32
    sparse_values = values.copy()
    sparse_values[0] = 0.0
    made = {
        "labels": labels,
        "one_hot": np.eye(CLASSES)[labels],
        "binary": rng.integers(0, 2, shape).astype(float),
        "counts": rng.integers(0, 3, shape).astype(float),
        "guesses": rng.integers(0, 3, shape).astype(float),
        "signs": 2.0 * rng.integers(0, 2, shape) - 1,
        "column": rng.integers(0, 2, (rows, 1)).astype(float),
        "column_shares": rng.integers(0, 33, (rows, 1)) / 32,
        "shares": shares,
        "distinct": distinct,
        "wide": 3 * shares - 1,
        "values": values,
        "sparse_values": sparse_values,
        "others": values + rng.integers(-32, 33, shape) / 64,
    }
    return made, rng.integers(0, 9, rows) / 4


def reference(case, weighted):
    """Return Keras's results after one batch and after two."""
    import keras

    name, options, targets, predictions = CASES[case]
    metric = getattr(keras.metrics, name)(**options, dtype="float64")
    results = []
    for batch in range(len(BATCHES)):
        made, weights = arrays(batch)
        if not weighted:
            # Without weights, and only there, Keras counts rows of an ignored class, as 0.
            weights = np.ones(len(weights)) if "ignore_class" in options else None
        metric.update_state(made[targets], made[predictions], weights)
        results.append(keras.ops.convert_to_numpy(metric.result()))
    return results


def main():
    """Write the file."""
    import keras
    from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE

    # Keras computes in float64 throughout with TensorFlow alone; as it does there.
    BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    keras.config.set_floatx("float64")
    stored = {
        f"{case}/{weighted}": np.array(reference(case, weighted))
        for case in CASES
        for weighted in (False, True)
    }
    np.savez_compressed(FILE, **stored)


if __name__ == "__main__":
    main()
