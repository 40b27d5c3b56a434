"""Metrics by themselves and in a model's passes, against Keras, and against their definitions."""

import json

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from reference.metrics import BATCHES, CASES, CLASSES, FILE, arrays
from unitgain import metrics
from unitgain.benchmarks import metrics as cases

test_other_variants = rerun_on_other_variants(__file__)

DTYPES = [np.float32, np.float64]
REFERENCE = np.load(FILE)
LABELS = ug.losses.SparseCategoricalCrossentropy(from_logits=True)


def made(case):
    name, options, *_ = CASES[case]
    return getattr(metrics, name)(**options)


def tolerance(case, dtype):
    # A probability of 1 is clipped to the number next to 1 - 1e-7.
    return 2e-2 if case == "bce" and dtype == np.float32 else 20 * np.finfo(dtype).eps


def data(case):
    """Return both batches together: targets, predictions, weights."""
    _, _, targets, predictions = CASES[case]
    batches = [arrays(batch) for batch in range(len(BATCHES))]
    return (
        np.concatenate([given[targets] for given, _ in batches]),
        np.concatenate([given[predictions] for given, _ in batches]),
        np.concatenate([weights for _, weights in batches]),
    )


def identity(columns, loss, dtype="float32", **options):
    """Return a model whose outputs are its inputs."""
    dense = ug.layers.Dense(columns, use_bias=False, kernel_initializer="identity")
    model = ug.Sequential([ug.layers.Input((columns,), dtype), dense])
    model.compile(ug.optimizers.SGD(0.0), loss, **options)
    return model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_results_are_those_of_keras(case, weighted, dtype):
    metric = made(case)
    _, _, targets, predictions = CASES[case]
    for batch in range(len(BATCHES)):
        given, weights = arrays(batch)
        y_pred = given[predictions].astype(dtype)
        metric.update_state(given[targets], y_pred, weights if weighted else None)
        expected = REFERENCE[f"{case}/{weighted}"][batch]
        assert np.shape(metric.result()) == expected.shape
        rtol = tolerance(case, dtype)
        np.testing.assert_allclose(metric.result(), expected, rtol=rtol, atol=rtol)
    metric.reset_state()
    given, _ = arrays(0)
    first = metric(given[targets], given[predictions].astype(dtype))
    np.testing.assert_allclose(first, REFERENCE[f"{case}/False"][0], rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", cases.NAMES)
def test_every_row_of_the_table_is_its_formula(kind, dtype):
    t, y = (a.astype(np.float64) for a in cases.data(kind, (61, 9)))  # float32 numbers
    metric = cases.make(kind)
    for part in (slice(40), slice(40, None)):
        metric.update_state(t[part].astype(dtype), y[part].astype(dtype))
    np.testing.assert_allclose(
        metric.result(), cases.NUMPY[kind](t, y), rtol=20 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_a_pass_reports_what_keras_makes_of_the_predictions(case, dtype):
    y, x, weights = data(case)
    loss = LABELS if made(case).takes_labels else "mse"
    own, weighted = made(case), made(case)
    own.name, weighted.name = "own", "weighted"
    model = identity(x.shape[1], loss, dtype, metrics=[own], weighted_metrics=[weighted])
    found = model.evaluate(x, y, batch_size=5, sample_weight=weights, return_dict=True)
    trained = model.fit(x, y, batch_size=5, sample_weight=weights, verbose=0, shuffle=True)
    rtol = tolerance(case, np.dtype(dtype))
    for name in ("own", "weighted"):
        expected = REFERENCE[f"{case}/{name == 'weighted'}"][1]
        np.testing.assert_allclose(found[name], expected, rtol=rtol, atol=rtol)
        np.testing.assert_allclose(trained.history[name][0], expected, rtol=rtol, atol=rtol)


def test_metrics_of_a_softmax_are_of_probabilities_and_leave_the_loss_alone():
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((90, 5)), rng.integers(0, 4, 90)
    y = np.eye(4)[labels]
    dense = [
        metrics.AUC(name="auc"), metrics.Precision(name="precision"), metrics.F1Score("macro"),
        metrics.MeanSquaredError(), metrics.CategoricalCrossentropy(), metrics.BinaryAccuracy(),
        metrics.TopKCategoricalAccuracy(2), metrics.R2Score(), metrics.CategoricalAccuracy(),
    ]  # fmt: skip
    sparse = [
        metrics.SparseTopKCategoricalAccuracy(2), metrics.SparseCategoricalCrossentropy(),
        metrics.SparseCategoricalAccuracy(),
    ]  # fmt: skip
    for loss, targets, requested in (
        ("categorical_crossentropy", y, dense),
        ("sparse_categorical_crossentropy", labels, sparse),
    ):
        layers = [ug.layers.Input((5,)), ug.layers.Dense(4, activation="softmax")]
        model = ug.Sequential(layers)
        model.compile("sgd", loss)
        plain = model.evaluate(x, targets)
        model.compile("sgd", loss, metrics=requested)
        found = model.evaluate(x, targets, batch_size=13, return_dict=True)
        assert found["loss"] == pytest.approx(plain, rel=1e-6)
        p = model.predict(x)
        for metric in requested:
            metric.reset_state()
            np.testing.assert_allclose(found[metric.name], metric(targets, p), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@hypothesis.given(st.integers(0, 2**32 - 1))
@hypothesis.settings(max_examples=40, deadline=None)
def test_counts_at_any_thresholds_are_those_of_comparisons(dtype, seed):
    rng = np.random.default_rng(seed)
    thresholds = np.sort(rng.random(rng.integers(1, 30)))
    if rng.random() < 0.5:
        thresholds = np.linspace(0, 1, len(thresholds))
    y_pred = rng.random((50, 3)).astype(dtype)
    some = rng.random(y_pred.shape) < 0.3
    y_pred[some] = rng.choice(thresholds, some.sum())  # ties, in the predictions' precision
    y_pred[0] = np.nan, np.inf, -np.inf
    y_true, weights = rng.integers(0, 2, y_pred.shape), rng.integers(0, 8, 50) / 4
    above = y_pred[..., None] > thresholds.astype(dtype)
    own = np.broadcast_to(weights[:, None, None], above.shape)
    positive = y_true[..., None] == 1
    expected = {
        "TruePositives": positive & above,
        "FalsePositives": ~positive & above,
        "TrueNegatives": ~positive & ~above,
        "FalseNegatives": positive & ~above,
    }
    shuffled = rng.permutation(len(thresholds))
    for name, which in expected.items():
        counts = np.sum(np.where(which, own, 0.0), (0, 1))[shuffled]
        metric = getattr(metrics, name)(thresholds[shuffled].tolist())
        np.testing.assert_allclose(metric(y_true, y_pred, weights), counts.squeeze(), atol=1e-9)


@hypothesis.given(st.integers(0, 2**32 - 1), st.sampled_from([2, 5, 50, 200, 1000]))
@hypothesis.settings(max_examples=60, deadline=None)
def test_area_is_the_exact_one_but_for_pairs_between_two_thresholds(seed, num_thresholds):
    rng = np.random.default_rng(seed)
    y_true = np.append([0, 1], rng.integers(0, 2, 100))
    y_pred = np.clip(rng.normal(0.4 + 0.2 * y_true, 0.2), 0, 1)
    weights = rng.random(102) + 0.1
    found = metrics.AUC(num_thresholds)(y_true, y_pred, weights)
    # The weighted share of the pairs in which the positive is above, ties counting half.
    above = np.sign(y_pred[y_true == 1][:, None] - y_pred[y_true == 0]) / 2 + 0.5
    pairs = weights[y_true == 1][:, None] * weights[y_true == 0]
    exact = (above * pairs).sum() / pairs.sum()
    # Pairs of a positive and a negative in one interval count half.
    edges = np.linspace(0, 1, num_thresholds)
    edges[0], edges[-1] = -1, 2
    share = [
        np.histogram(y_pred[y_true == k], edges, weights=weights[y_true == k])[0]
        / weights[y_true == k].sum()
        for k in (0, 1)
    ]
    assert abs(found - exact) <= (share[0] * share[1]).sum() / 2 + 1e-12
    if num_thresholds >= 200:
        assert found == pytest.approx(exact, abs=0.01)


def test_areas_precision_recall_and_f_scores_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(2)
    y_true, y_pred, weights = rng.integers(0, 2, (60, 4)), rng.random((60, 4)), rng.random(60)
    for average in ("micro", "macro", "weighted", None):
        score = metrics.FBetaScore(average, 0.5, 0.4)(y_true, y_pred, weights)
        expected = sklearn.fbeta_score(
            y_true, y_pred > 0.4, beta=0.5, average=average, sample_weight=weights
        )
        np.testing.assert_allclose(score, expected, rtol=1e-6)
    label = metrics.AUC(100_000)(y_true[:, 0], y_pred[:, 0], weights)
    exact = sklearn.roc_auc_score(y_true[:, 0], y_pred[:, 0], sample_weight=weights)
    assert label == pytest.approx(exact, rel=1e-12)
    flat, repeated = (y_true.ravel(), y_pred.ravel() > 0.5), np.repeat(weights, 4)
    for metric, theirs in (
        (metrics.Precision(), sklearn.precision_score),
        (metrics.Recall(), sklearn.recall_score),
    ):
        expected = theirs(*flat, sample_weight=repeated)
        assert metric(y_true, y_pred, weights) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("far", [0.0, 1e8])
def test_r2_does_not_cancel_where_targets_are_far_from_0(far):
    rng = np.random.default_rng(2)
    y_true = far + rng.standard_normal((60, 4)) * [1, 2, 3, 4]
    y_pred, weights = y_true + 0.3 * rng.standard_normal((60, 4)), rng.random(60)
    t = y_true.astype(np.longdouble)
    mean = (weights[:, None] * t).sum(0) / weights.sum()
    total = (weights[:, None] * (t - mean) ** 2).sum(0)
    expected = 1 - (weights[:, None] * (t - y_pred) ** 2).sum(0) / total
    halves = metrics.R2Score(None)
    halves.update_state(y_true[:25], y_pred[:25], weights[:25])
    np.testing.assert_allclose(halves(y_true[25:], y_pred[25:], weights[25:]), expected, rtol=1e-9)
    for name, value in (
        ("uniform_average", expected.mean()),
        ("variance_weighted_average", (expected * total).sum() / total.sum()),
    ):
        assert metrics.R2Score(name)(y_true, y_pred, weights) == pytest.approx(float(value))


@pytest.mark.parametrize("dtype", DTYPES)
def test_ties_and_nan_in_top_k(dtype):
    nan, inf = np.nan, np.inf
    rows = [[1, 1, 1, 0], [nan, 3, 2, 1], [nan, nan, 2, 1], [inf, -inf, inf, 0], [nan] * 4]
    y_pred = np.array(rows, dtype)
    top = metrics.SparseTopKCategoricalAccuracy(2)
    assert [top([2], y_pred[:1]), *(found(top, 1, y_pred, i) for i in (1, 2))] == [1, 1, 0]
    assert [found(top, label, y_pred, 3) for label in range(4)] == [1, 0, 1, 0]
    assert found(top, 0, y_pred, 4) == 0
    for label in (-1, 4, 1.5):
        assert found(top, label, y_pred, 0) == 0
    accuracy = metrics.SparseCategoricalAccuracy()
    assert [found(accuracy, 0, y_pred, i) for i in range(5)] == [1, 1, 1, 1, 1]
    # Of equals the first are among the k largest, and NaN is not.
    precision = metrics.Precision(top_k=2)
    assert found(precision, [[1, 0, 1, 1]], y_pred, 0) == 0.5
    recall = metrics.Recall(top_k=3)
    assert found(recall, [[1, 1, 0, 0]], y_pred, 1) == 0.5


def found(metric, target, y_pred, row):
    metric.reset_state()
    return metric(np.atleast_1d(target), y_pred[row : row + 1])


def test_nothing_and_nan():
    assert metrics.MeanSquaredError().result() == 0
    assert metrics.AUC().result() == 0
    assert metrics.Precision().result() == 0
    assert np.isnan(metrics.R2Score().result())
    for case in CASES:
        metric = made(case)
        if case == "r2_adjusted":
            continue
        empty = np.zeros((0, CLASSES))
        metric.update_state(np.zeros(0, int) if metric.takes_labels else empty, empty)
        value = np.asarray(metric.result())
        assert (np.isnan(value) if "r2" in case else value == 0).all(), case
    with pytest.warns(UserWarning, match="too few samples"):
        assert metrics.R2Score(num_regressors=3)([1.0, 2.0], [1.0, 2.0]) == 1
    nan = np.array([[np.nan, 0.9], [0.2, 0.7]])
    y = np.array([[1.0, 1.0], [0.0, 1.0]])
    for kind in (metrics.MeanSquaredError, metrics.LogCoshError, metrics.CosineSimilarity):
        assert np.isnan(kind()(y, nan))
    assert np.isnan(metrics.R2Score(None)(y, nan)).tolist()[0]
    # NaN is above no threshold.
    assert metrics.BinaryAccuracy()(y, nan) == 0.75
    assert metrics.Recall()(y, nan) == pytest.approx(2 / 3)
    assert metrics.Precision()(y, nan) == 1


@pytest.mark.parametrize("case", CASES)
def test_sums_are_bitwise_equal_for_any_number_of_threads(case):
    y, x, weights = data(case)
    repeated = [np.concatenate([array] * 200) for array in (y, x, weights)]
    y, x = repeated[0], repeated[1].astype(np.float32)
    results = []
    for count in (1, 2, 5):
        with ug.threads(count):
            own = made(case)
            own.name = "own"
            loss = LABELS if own.takes_labels else "mse"
            model = identity(x.shape[1], loss, metrics=[own], weighted_metrics=[made(case)])
            values = model.evaluate(x, y, batch_size=1000, sample_weight=repeated[2])[1:]
            results.append([*values, made(case)(y, x, repeated[2])])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


# ---- shapes, weights, names ----


def test_shapes_as_keras_takes_them():
    assert metrics.BinaryAccuracy()([[1], [0]], [0.9, 0.8]) == 0.5
    assert metrics.BinaryAccuracy()([1, 0], [[0.9], [0.8]]) == 0.5
    assert metrics.SparseCategoricalAccuracy()([[1], [0]], [[0, 1], [0, 1]]) == 0.5
    assert metrics.MeanAbsoluteError()([1, 2], [1, 4], [1, 3]) == 1.5
    assert metrics.MeanAbsoluteError()([1, 2], [1, 4], [[1], [3]]) == 1.5
    y_pred = np.zeros((2, 3, 2))
    y_true = y_pred + np.array([[[0], [1], [2]], [[3], [4], [5]]])
    assert metrics.MeanAbsoluteError()(y_true, y_pred) == 2.5
    assert metrics.MeanAbsoluteError()(y_true, y_pred, [1, 0]) == 1
    rows = [[0, 0, 1], [0, 0, 0]]
    assert metrics.MeanAbsoluteError()(y_true, y_pred, rows) == 2
    # A weight for each value.
    assert metrics.Accuracy()([[1, 2]], [[1, 3]], [[1, 3]]) == 0.25
    for kind, y_true, weights in (
        (metrics.MeanSquaredError, np.zeros((2, 2)), None),
        (metrics.SparseCategoricalAccuracy, np.zeros(3), None),
        (metrics.MeanSquaredError, np.zeros((2, 3)), [1, 2, 3]),
    ):
        with pytest.raises(ValueError, match=r"has shape .*, expected"):
            kind()(y_true, np.zeros((2, 3)), weights)
    metric = metrics.F1Score()
    metric(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="those before"):
        metric(np.zeros((2, 4)), np.zeros((2, 4)))


def test_mean_and_sum():
    mean = metrics.Mean()
    assert mean.result() == 0
    assert mean([1, 3, 5, 7]) == 4
    assert mean([1], [4]) == 20 / 8
    mean.reset_state()
    assert mean([[1, 3], [5, 9]], [1, 3]) == 23 / 4
    assert metrics.Sum()([[1, 3], [5, 9]], [1, 3]) == 46
    with pytest.raises(ValueError, match=r"sample_weight has shape \(3,\)"):
        mean([1, 2], [1, 2, 3])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mse", metrics.MeanSquaredError), ("MAE", metrics.MeanAbsoluteError),
        ("mape", metrics.MeanAbsolutePercentageError), ("AUC", metrics.AUC), ("auc", metrics.AUC),
        ("kl_divergence", metrics.KLDivergence), ("KLDivergence", metrics.KLDivergence),
        ("f1_score", metrics.F1Score), ("fbeta_score", metrics.FBetaScore),
        ("r2_score", metrics.R2Score), ("bce", metrics.BinaryCrossentropy),
        ("top_k_categorical_accuracy", metrics.TopKCategoricalAccuracy),
        ("acc", metrics.SparseCategoricalAccuracy),
    ],
)  # fmt: skip
def test_names_and_aliases(name, kind):
    metric = metrics.get(name)
    assert type(metric) is kind
    assert metric.name == name


def test_default_names_are_those_of_keras():
    assert metrics.Accuracy().name == "accuracy"
    assert metrics.LogCoshError().name == "logcosh"
    assert metrics.R2Score().name == "r2_score"
    assert metrics.Precision().name.startswith("precision")
    assert metrics.Precision().name != metrics.Precision().name


def test_what_cannot_be_is_said():
    for name in ("precison", "Recal", "aucc"):
        with pytest.raises(ValueError, match="did you mean"):
            metrics.get(name)
    with pytest.raises(TypeError, match="make one"):
        metrics.get(metrics.AUC)
    for make, message in (
        (lambda: metrics.Precision(1.5), "thresholds must be between 0 and 1"),
        (lambda: metrics.Recall(top_k=0), "top_k must be at least 1"),
        (lambda: metrics.Recall(class_id=-1), "class_id must be at least 0"),
        (lambda: metrics.TopKCategoricalAccuracy(0), "k must be at least 1"),
        (lambda: metrics.AUC(1), "num_thresholds must be at least 2"),
        (lambda: metrics.AUC(curve="ROCK"), "did you mean 'ROC'"),
        (lambda: metrics.AUC(summation_method="middle"), "expected one of"),
        (lambda: metrics.AUC(num_labels=3), "multi_label"),
        (lambda: metrics.FBetaScore("median"), "average is 'median'"),
        (lambda: metrics.FBetaScore(beta=0.0), "beta must be greater than 0"),
        (lambda: metrics.F1Score(threshold=0.0), "threshold must be above 0"),
        (lambda: metrics.R2Score("mean"), "class_aggregation is 'mean'"),
        (lambda: metrics.SensitivityAtSpecificity(2.0), "specificity must be between"),
        (lambda: metrics.CosineSimilarity(axis=0), "only the last axis"),
        (lambda: metrics.CategoricalCrossentropy(label_smoothing=2), "label_smoothing"),
        (lambda: metrics.Precision(class_id=3)([[1, 0]], [[1, 0]]), "class_id is 3"),
        (lambda: metrics.AUC(label_weights=[1, 2])([1, 0], [1, 0]), "label_weights has 2 values"),
        (lambda: metrics.SparseCategoricalCrossentropy()([5], [[0.5, 0.5]]), "label"),
        (lambda: identity(3, LABELS, metrics=["auc"]), "needs target values"),
        (lambda: identity(3, "mse", metrics=["sparse_categorical_accuracy"]), "needs class labels"),
        (lambda: identity(4, ug.losses.GaussianNLL(), metrics=["mse"]), "target for each output"),
        (
            lambda: identity(
                3,
                ug.losses.SparseCategoricalCrossentropy(True, ignore_class=-1),
                metrics=["sparse_categorical_crossentropy"],
            ),
            "ignore_class=-1",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_a_metric_that_does_not_fit_the_outputs_is_refused_before_training():
    model = identity(3, "mse", metrics=[metrics.Precision(class_id=7)])
    with pytest.raises(ValueError, match="class_id is 7, but the outputs have 3 columns"):
        model.evaluate(np.zeros((2, 3)), np.zeros((2, 3)))


def test_rows_of_an_ignored_class_do_not_count():
    loss = ug.losses.SparseCategoricalCrossentropy(True, ignore_class=-1)
    metric = metrics.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((20, 4)), rng.integers(-1, 4, 20)
    model = identity(4, loss, "float64", metrics=[metric])
    value, reported = model.evaluate(x, y, batch_size=6)
    assert reported == pytest.approx(value, rel=1e-12)
    assert metric(y, x) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_configurations(case):
    metric = made(case)
    config = json.loads(json.dumps(metrics.serialize(metric)))
    again = metrics.deserialize(config)
    y, x, weights = data(case)
    np.testing.assert_array_equal(again(y, x, weights), metric(y, x, weights))
    assert again.get_config() == metric.get_config()


def test_names_that_come_again():
    y, x, weights = data("mse")
    model = identity(
        CLASSES, "mse", metrics=["mae", "mae", "mse"], weighted_metrics=["mae", "auc", "mae"]
    )
    logs = model.evaluate(x, y, sample_weight=weights, return_dict=True)
    names = ["loss", "mae", "mae_1", "mse", "weighted_mae", "auc", "weighted_mae_1"]
    assert list(logs) == names
    assert logs["mae"] == logs["mae_1"] != logs["weighted_mae"] == logs["weighted_mae_1"]
    assert logs["weighted_mae"] == pytest.approx(metrics.MeanAbsoluteError()(y, x, weights))


# ---- metrics of one's own ----


class Largest(metrics.Metric):
    """The largest error of any output."""

    def __init__(self, name="largest", **options):
        super().__init__(name=name, **options)
        self.largest = self.add_weight(name="largest", initializer="zeros")
        self.batches = 0

    def update_state(self, y_true, y_pred, sample_weight=None):
        assert y_true.shape == y_pred.shape
        gaps = abs(y_true - y_pred)
        if sample_weight is not None:
            gaps = gaps[sample_weight > 0]
        self.largest.assign(max(float(self.largest), gaps.max(initial=0)))
        self.batches += 1

    def result(self):
        return self.largest


def per_sample(y_true, y_pred):
    return abs(y_true - y_pred).max(-1)


def per_batch(y_true, y_pred):
    return abs(y_true - y_pred).max()


def test_own_metrics_see_each_batch():
    rng = np.random.default_rng(5)
    x, y = rng.random((20, 3)), rng.random((20, 3))
    weights = np.arange(20) % 3.0
    largest, weighted = Largest(), Largest("some")
    model = identity(
        3, "mse", "float64", metrics=[per_sample, per_batch, largest, "mae"],
        weighted_metrics=[per_sample, weighted],
    )  # fmt: skip
    gaps = abs(x - y).max(-1)
    batches = [gaps[i : i + 6].max() for i in range(0, 20, 6)]
    logs = model.evaluate(x, y, batch_size=6, sample_weight=weights, return_dict=True)
    expected = {
        "per_sample": gaps.mean(),
        "per_batch": np.mean(batches),
        "largest": gaps.max(),
        "mae": abs(x - y).mean(),
        "weighted_per_sample": (gaps * weights).sum() / weights.sum(),
        "some": gaps[weights > 0].max(),
    }
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=1e-12), name
    assert largest.batches == 4
    # An epoch and a validation begin anew; shuffled batches have their own targets.
    history = model.fit(x[:12], y[:12], 5, 3, verbose=0, validation_data=(x[12:], y[12:])).history
    assert history["per_sample"] == pytest.approx([gaps[:12].mean()] * 3)
    assert history["largest"] == pytest.approx([gaps[:12].max()] * 3)
    assert history["val_largest"] == pytest.approx([gaps[12:].max()] * 3)
    assert model.train_on_batch(x, y, return_dict=True)["largest"] == pytest.approx(gaps.max())


def test_own_metrics_of_labels_and_of_generators():
    seen = []

    def right(y_true, y_pred):
        seen.append((y_true.shape, y_true.dtype, y_pred.shape))
        return y_true == np.asarray(y_pred).argmax(-1)

    rng = np.random.default_rng(6)
    x, y = rng.random((10, 2, 3)), rng.integers(0, 3, (10, 2))
    dense = ug.layers.Dense(3, use_bias=False, kernel_initializer="identity")
    model = ug.Sequential([ug.layers.Input((2, 3)), dense])
    model.compile("sgd", LABELS, metrics=[right, "accuracy"])
    batches = ((x[i : i + 4], y[i : i + 4]) for i in range(0, 10, 4))
    _, own, native = model.evaluate(batches)
    assert own == pytest.approx(native, rel=1e-12)
    assert seen[-3] == ((4, 2), np.int32, (4, 2, 3))  # one more call was that to trace it
    assert len(seen) == 4


def test_own_metrics_see_mixed_targets():
    seen = []

    def keep(y_true, y_pred):
        seen.append(y_true.copy())
        return 0.0

    rng = np.random.default_rng(7)
    y = np.eye(3)[rng.integers(0, 3, 30)]
    model = identity(3, "categorical_crossentropy", metrics=[keep])
    model.fit(rng.random((30, 3)), y, 10, verbose=0, augment=ug.data.MixUp())
    mixed = np.concatenate(seen)
    np.testing.assert_allclose(mixed.sum(-1), 1, rtol=1e-6)
    assert ((mixed > 0.01) & (mixed < 0.99)).any()


def test_an_error_of_ones_own_metric_ends_the_pass():
    def broken(y_true, y_pred):
        raise RuntimeError("not today")

    x = np.zeros((4, 3))
    model = identity(3, "mse", metrics=[broken])
    for run in (model.evaluate, model.train_on_batch):
        with pytest.raises(RuntimeError, match="not today"):
            run(x, x)
    model.compile("sgd", "mse")
    assert model.evaluate(x, x) == 0
    model.compile("sgd", "mse", metrics=[lambda y_true, y_pred: "text"])
    with pytest.raises(ValueError, match="could not convert"):
        model.evaluate(x, x)


def test_losses_are_metrics_too():
    rng = np.random.default_rng(8)
    x, y = rng.random((20, 3)), rng.random((20, 3))
    huber = ug.losses.Huber(0.1)
    model = identity(3, "mse", "float64", metrics=[huber])
    logs = model.evaluate(x, y, batch_size=7, return_dict=True)
    assert logs["huber_loss"] == pytest.approx(huber(y, x), rel=1e-12)
    assert metrics.get(huber)(y, x) == pytest.approx(huber(y, x), rel=1e-12)
    with pytest.raises(ValueError, match="needs target values"):
        identity(3, LABELS, metrics=[huber])


def test_several_outputs_have_metrics_of_their_own():
    rng = np.random.default_rng(9)
    x = rng.random((30, 4))
    inputs = ug.layers.Input((4,))
    first = ug.layers.Dense(1, activation="sigmoid", name="yes")(inputs)
    second = ug.layers.Dense(3, name="which")(inputs)
    model = ug.Model(inputs, [first, second])
    targets = {"yes": rng.integers(0, 2, 30), "which": rng.integers(0, 3, 30)}
    model.compile(
        "sgd",
        {"yes": "bce", "which": LABELS},
        metrics={"yes": [metrics.AUC(name="auc"), per_sample]},
        weighted_metrics={"which": ["accuracy"], "yes": [metrics.Recall(name="recall")]},
    )
    weights = {"yes": rng.random(30), "which": rng.random(30)}
    logs = model.evaluate(x, targets, sample_weight=weights, return_dict=True)
    p, q = model.predict(x)
    y = targets["yes"][:, None]
    expected = {
        "yes_auc": metrics.AUC()(y, p),
        "yes_per_sample": abs(y - p).mean(),
        "yes_recall": metrics.Recall()(y, p, weights["yes"]),
        "which_accuracy": metrics.SparseCategoricalAccuracy()(
            targets["which"], q, weights["which"]
        ),
    }
    for name, value in expected.items():
        assert logs[name] == pytest.approx(value, rel=1e-6), name
    assert list(logs)[-4:] == [*list(expected)[:3], "which_accuracy"]


def test_a_saved_model_reports_the_same(tmp_path):
    y, x, weights = data("auc")
    model = identity(
        CLASSES,
        "bce",
        metrics=[metrics.AUC(20, name="auc"), per_sample, Largest()],
        weighted_metrics=[metrics.Precision([0.2, 0.4], name="precision")],
    )
    model.save(tmp_path / "model.safetensors")
    own = {"per_sample": per_sample, "Largest": Largest}
    again = ug.models.load_model(tmp_path / "model.safetensors", own)
    for a, b in zip(
        model.evaluate(x, y, sample_weight=weights),
        again.evaluate(x, y, sample_weight=weights),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_values_for_each_class_are_reported_as_arrays(capsys):
    y, x, _ = data("f1")
    model = identity(CLASSES, "mse", metrics=["f1_score"])
    history = model.fit(x, y, epochs=2, verbose=2)
    assert np.shape(history.history["f1_score"]) == (2, CLASSES)
    assert "f1_score=[0." in capsys.readouterr().out


class Extremes(metrics.Metric):
    """An array that is its state, which goes on changing."""

    def __init__(self, name="extremes"):
        super().__init__(name=name)
        self.found = self.add_variable(shape=(2,), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.found.assign_add([y_pred.sum(), 1.0])

    def result(self):
        return self.found


class KeepLogs(ug.callbacks.Callback):
    """Keeps the logs themselves, and what they held when they came."""

    def __init__(self):
        self.kept, self.then = [], []

    def keep(self, number, logs):
        self.kept.append(logs["extremes"])
        self.then.append(logs["extremes"].copy())

    on_train_batch_end = on_test_batch_end = on_epoch_end = keep


def test_what_a_metric_reports_does_not_change_afterwards():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((12, 1))
    model = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[Extremes()])
    logs = KeepLogs()
    options = {"batch_size": 4, "verbose": 0, "validation_data": (x, y), "callbacks": logs}
    history = model.fit(x, y, epochs=2, **options).history
    assert [list(value)[1] for value in history["extremes"]] == [3.0, 3.0]
    before = {name: np.array(values) for name, values in history.items()}
    evaluated = [model.evaluate(x[:8], y[:8], batch_size=4), model.test_on_batch(x, y)]
    trained = [model.train_on_batch(x, y) for _ in range(2)]
    assert [value[1][1] for value in [*evaluated, *trained]] == [2.0, 1.0, 1.0, 1.0]
    for name, values in before.items():
        np.testing.assert_array_equal(history[name], values)
    assert len(logs.kept) == 10
    for kept, then in zip(logs.kept, logs.then, strict=True):
        np.testing.assert_array_equal(kept, then)
    assert all(type(value) is np.ndarray for value in [*logs.kept, *history["extremes"]])


def test_calls_of_a_metric_give_arrays_of_their_own():
    metric = Extremes()
    first = metric(None, np.ones(3))
    second = metric(None, np.ones(3))
    np.testing.assert_array_equal(first, [3.0, 1.0])
    np.testing.assert_array_equal(second, [6.0, 2.0])


def test_history_keeps_copies_of_what_callbacks_put_into_the_logs():
    rng = np.random.default_rng(0)
    state = np.zeros(2)

    def add(epoch, logs):
        state[:] += 1
        logs["state"] = state

    model = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(1)])
    model.compile("sgd", "mse")
    told = ug.callbacks.LambdaCallback(on_epoch_end=add)
    x = rng.standard_normal((12, 3))
    history = model.fit(x, x[:, 0], epochs=3, verbose=0, callbacks=told).history
    np.testing.assert_array_equal(history["state"], [[1, 1], [2, 2], [3, 3]])


def test_a_metric_with_one_state_does_not_measure_two_outputs():
    inputs = ug.layers.Input((3,))
    model = ug.Model(inputs, [ug.layers.Dense(1)(inputs), ug.layers.Dense(1)(inputs)])
    own, native = Extremes(), metrics.MeanAbsoluteError()
    with pytest.raises(ValueError, match="the metric extremes is given twice"):
        model.compile("sgd", "mse", metrics=[[own], [own]])
    model.compile("sgd", "mse", metrics=[[native], [native]])  # each output has sums of its own
    single = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(1)])
    with pytest.raises(ValueError, match="the metric extremes is given twice"):
        single.compile("sgd", "mse", metrics=[own], weighted_metrics=[own])
    x = np.random.default_rng(0).standard_normal((8, 3))
    model.fit(x, [x[:, 0], 100 + x[:, 0]], verbose=0)
    _, _, _, first, second = model.evaluate(x, [x[:, 0], 100 + x[:, 0]])
    assert second > 50 > first


def test_a_single_row_has_its_own_largest_outputs():
    y_true, y_pred = [0, 1, 1, 0, 0], [0.2, 0.1, 0.5, 0.0, 0.25]
    # The three largest are the third, fifth and first; one of them, and of two targets, is right.
    assert ug.metrics.Precision(top_k=3)(y_true, y_pred) == pytest.approx(1 / 3)
    assert ug.metrics.Recall(top_k=3)(y_true, y_pred) == 0.5


def test_an_auc_tells_its_thresholds_and_is_copied_with_those_given():
    auc = ug.metrics.AUC(thresholds=[0.5, 0.25])
    assert auc.thresholds == pytest.approx([-1e-7, 0.25, 0.5, 1 + 1e-7])
    assert auc.get_config()["thresholds"] == [0.25, 0.5]
    assert ug.metrics.AUC.from_config(auc.get_config()).thresholds == auc.thresholds
    assert ug.metrics.AUC(3).thresholds == pytest.approx([-1e-7, 0.5, 1 + 1e-7])
