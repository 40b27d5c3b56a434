"""Training with each loss, and the metrics that go with it."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import losses, metrics
from unitgain.layers import Dense, Input

RNG = np.random.default_rng(7)
X = RNG.standard_normal((60, 2, 3)).astype(np.float32)
LABELS = (X[..., 0] > 0).astype(int) + (X[..., 1] > 0.5)

Y_2 = (LABELS == 2)[..., None]


def model_of(outputs, loss, names=(), activation=None):
    ug.random.seed(1)
    model = ug.Sequential(
        [Input((2, 3)), Dense(16, activation="tanh"), Dense(outputs, activation=activation)]
    )
    model.compile(ug.optimizers.Adam(0.02), loss, list(names))
    return model


CASES = {
    "sparse": (losses.SparseCategoricalCrossentropy(from_logits=True), 3, None, LABELS),
    "ignore": (
        losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
        3,
        None,
        LABELS,
    ),
    "softmax": ("categorical_crossentropy", 3, "softmax", np.eye(3)[LABELS]),
    "smooth": (
        losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        3,
        None,
        np.eye(3)[LABELS],
    ),
    "bce": ("bce", 1, "sigmoid", (LABELS == 2)[..., None]),
    "bce_logits": (losses.BinaryCrossentropy(from_logits=True), 3, None, np.eye(3)[LABELS]),
    "mse": ("mse", 3, None, X**2),
    "mae": ("mae", 3, None, X**2),
    "huber": ("huber", 3, None, X**2),
    "log_cosh": ("log_cosh", 3, None, X**2),
    "gaussian": (losses.GaussianNLL(log_variance=True), 6, None, X**2),
    "poisson": ("poisson", 1, "sigmoid", 0.1 * LABELS[..., None] + 0.2),
    "kl": ("kl_divergence", 3, "softmax", np.eye(3)[LABELS]),
    "hinge": ("hinge", 3, None, np.eye(3)[LABELS]),
    "squared_hinge": ("squared_hinge", 3, None, 2 * np.eye(3)[LABELS] - 1),
    "categorical_hinge": ("categorical_hinge", 3, None, np.eye(3)[LABELS]),
    "quantile": (losses.Quantile(0.8), 3, None, X**2),
    "cosine": ("cosine_similarity", 3, None, X**2),
    "focal": ("binary_focal_crossentropy", 3, "sigmoid", np.eye(3)[LABELS]),
    "focal_logits": (losses.BinaryFocalCrossentropy(from_logits=True), 1, None, Y_2),
    "categorical_focal": ("categorical_focal_crossentropy", 3, "softmax", np.eye(3)[LABELS]),
    "dice_of_rows": (losses.Dice(axis=-1), 3, "sigmoid", np.eye(3)[LABELS]),
    "tversky_of_rows": (losses.Tversky(0.7, 0.3, axis=-1), 3, "sigmoid", np.eye(3)[LABELS]),
}


@pytest.mark.parametrize("case", CASES)
def test_training_makes_the_loss_smaller(case):
    loss, outputs, activation, y = CASES[case]
    model = model_of(outputs, loss, activation=activation)
    before = model.evaluate(X, y)
    history = model.fit(X, y, batch_size=16, epochs=12, verbose=0).history["loss"]
    after = model.evaluate(X, y)
    assert history[-1] < history[0]
    assert after < before
    # What training reports is what the loss gives for the predictions.
    expected = losses.get(loss)(y, model.predict(X))
    np.testing.assert_allclose(after, expected, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(model.evaluate(X, y, batch_size=7), after, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "outputs", "y", "kind"),
    [
        ("sparse_categorical_crossentropy", 3, LABELS, metrics.SparseCategoricalAccuracy),
        ("categorical_crossentropy", 3, np.eye(3)[LABELS], metrics.CategoricalAccuracy),
        ("mse", 3, np.eye(3)[LABELS], metrics.CategoricalAccuracy),
        ("bce", 1, (LABELS > 0)[..., None], metrics.BinaryAccuracy),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_is_the_one_that_goes_with_loss_and_outputs(name, loss, outputs, y, kind):
    model = model_of(outputs, loss, [name], "sigmoid")
    assert type(model.metrics[0]) is kind
    result = model.evaluate(X, y, return_dict=True)[name]
    p = model.predict(X)
    if kind is metrics.BinaryAccuracy:
        expected = ((p > 0.5) == y).mean()
    else:
        classes = y if y.ndim == 2 else y.argmax(-1)
        expected = (p.argmax(-1) == classes).mean()
    assert result == pytest.approx(expected, rel=1e-12)


def test_accuracy_of_a_model_that_is_built_later():
    model = ug.Sequential([Dense(1, activation="sigmoid")])
    model.compile("adam", "bce", ["accuracy"])
    y = (X[:, 0, 0] > 0).astype(int)
    result = model.train_on_batch(X[:, 0], y, return_dict=True)
    assert type(model.metrics[0]) is metrics.BinaryAccuracy
    assert 0 <= result["accuracy"] <= 1


def test_error_metrics_do_not_depend_on_the_loss():
    y = X**2
    model = model_of(3, "huber", ["mse", "mae", "binary_accuracy", "categorical_accuracy"])
    result = model.evaluate(X, y, return_dict=True)
    p = model.predict(X).astype(np.float64)
    np.testing.assert_allclose(result["mse"], ((p - y) ** 2).mean(), rtol=1e-6)
    np.testing.assert_allclose(result["mae"], abs(p - y).mean(), rtol=1e-6)
    expected = (p.argmax(-1) == y.argmax(-1)).mean()
    np.testing.assert_allclose(result["categorical_accuracy"], expected, rtol=1e-12)
    np.testing.assert_allclose(result["binary_accuracy"], ((p > 0.5) == y).mean(), rtol=1e-12)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.int64, np.float64])
def test_targets_of_any_dtype(dtype):
    y = np.eye(3)[LABELS].astype(dtype)
    model = model_of(3, "categorical_crossentropy", activation="softmax")
    assert model.evaluate(X, y) == model.evaluate(X, np.eye(3, dtype=np.float32)[LABELS])


def test_training_needs_one_number():
    model = model_of(3, losses.MeanSquaredError(reduction=None))
    with pytest.raises(ValueError, match="reduction must not be None"):
        model.fit(X, X, verbose=0)
    with pytest.raises(ValueError, match="5 values"):
        model_of(5, losses.GaussianNLL()).fit(X, X, verbose=0)


@pytest.mark.parametrize("weights", [None, RNG.random(60)], ids=["", "weighted"])
@pytest.mark.parametrize(
    ("loss", "end", "y"),
    [
        (losses.Dice(), Dense(3, "sigmoid"), np.eye(3)[LABELS[:, 0]]),
        (losses.Dice("sum", axis=0), Dense(3, "sigmoid"), np.eye(3)[LABELS[:, 0]]),
        (losses.Tversky(0.3, 0.8), Dense(3, "sigmoid"), np.eye(3)[LABELS[:, 0]]),
        (losses.Circle(8.0), ug.layers.UnitNormalization(), LABELS[:, 0] + 40),
        (
            losses.Circle(8.0, reduction="mean_with_sample_weight"),
            ug.layers.UnitNormalization(),
            LABELS[:, :1],
        ),
    ],
    ids=["dice", "dice_sum", "tversky", "circle", "circle_weighted_mean"],
)
def test_losses_of_a_batch_train_with_their_own_gradients(loss, end, y, weights):
    def made():
        ug.random.seed(4)
        end_again = type(end).from_config(end.get_config())
        model = ug.Sequential([Input((3,), "float64"), Dense(3), end_again])
        model.compile(ug.optimizers.SGD(0.1), type(loss).from_config(loss.get_config()))
        return model

    x = X[:, 0].astype(np.float64)
    model = made()
    p = model.predict(x)
    value, upstream = loss.value_and_gradient(y, p, weights)
    found, gradients = model.gradients(x, y, sample_weight=weights)
    assert found == pytest.approx(value, rel=1e-9)
    # The chain rule by differences of the network alone.
    kernel = model.trainable_weights[0]
    for place in ((0, 0), (1, 2), (2, 1)):
        old, step = kernel.array[place], 1e-6
        outputs = []
        for change in (step, -step):
            kernel.array[place] = old + change
            outputs.append(model.predict(x))
        kernel.array[place] = old
        expected = ((outputs[0] - outputs[1]) / (2 * step) * upstream).sum()
        assert gradients[0][place] == pytest.approx(expected, rel=1e-5, abs=1e-8)
    before = model.evaluate(x, y, batch_size=60, sample_weight=weights)
    assert before == pytest.approx(value, rel=1e-9)
    model.fit(x, y, batch_size=60, epochs=40, sample_weight=weights, verbose=0)
    assert model.evaluate(x, y, batch_size=60, sample_weight=weights) < before


def test_circle_loss_takes_one_label_a_row_and_no_metric_of_outputs():
    model = model_of(3, losses.Circle(), activation=None)
    with pytest.raises(ValueError, match="y has shape"):
        model.fit(X, X**2, verbose=0)
    with pytest.raises(ValueError, match="needs a target for each output"):
        model_of(3, losses.Circle(), ["mse"])


# ---- outputs behind a reshape ----


class Squares(ug.losses.Loss):
    def call(self, y_true, y_pred):
        return ((y_true - y_pred) ** 2).mean(axis=-1)

    def backward(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / y_pred.shape[-1]


def reshaped_losses():
    labels = np.array([0, 3, 5, 1, 2])
    rows = np.random.default_rng(3).random((5, 6))

    def crossentropy(outputs):
        shifted = outputs - outputs.max(axis=1, keepdims=True)
        log_shares = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -log_shares[np.arange(5), labels].mean()

    from_logits = {"from_logits": True}
    yield ug.losses.SparseCategoricalCrossentropy(**from_logits), labels, crossentropy
    yield ug.losses.CategoricalCrossentropy(**from_logits), np.eye(6)[labels], crossentropy
    yield Squares(), rows, lambda outputs: ((outputs - rows) ** 2).mean()
    yield ug.losses.MeanSquaredError(), rows, lambda outputs: ((outputs - rows) ** 2).mean()


@pytest.mark.parametrize(("loss", "y", "expected"), list(reshaped_losses()))
def test_the_rows_of_a_loss_are_those_of_the_output_behind_a_reshape(loss, y, expected):
    ug.random.seed(4)
    model = ug.Sequential(
        [ug.layers.Input((3, 4), "float64"), ug.layers.Dense(2), ug.layers.Flatten()]
    )
    metrics = ["accuracy"] if y.shape == (5,) or "rossentropy" in type(loss).__name__ else []
    model.compile("sgd", loss, metrics=metrics)
    x = np.random.default_rng(5).standard_normal((5, 3, 4))
    outputs = model.predict(x)
    found = model.evaluate(x, y, return_dict=True)
    assert found["loss"] == pytest.approx(expected(outputs), rel=1e-12)
    if metrics:
        labels = y if y.ndim == 1 else y.argmax(axis=1)
        assert found["accuracy"] == (outputs.argmax(axis=1) == labels).mean()

    value, gradients = model.gradients(x, y)
    assert value == pytest.approx(expected(outputs), rel=1e-12)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        for index in np.ndindex(weight.shape):
            kept, step = weight.array[index], 1e-6
            sides = []
            for side in (kept + step, kept - step):
                weight.array[index] = side
                sides.append(expected(model.predict(x)))
            weight.array[index] = kept
            slope = (sides[0] - sides[1]) / (2 * step)
            assert gradient[index] == pytest.approx(slope, rel=1e-6, abs=1e-9)
