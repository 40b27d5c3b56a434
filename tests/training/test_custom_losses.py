"""Losses written in Python, against the native ones of the same formulas."""

import numpy as np
import pytest

import unitgain as ug
from unitgain import losses, metrics
from unitgain.layers import Dense, Input


class Squares(losses.Loss):
    """Values of the predictions' shape, which count as their mean."""

    def call(self, y_true, y_pred):
        return (y_true - y_pred) ** 2

    def backward(self, y_true, y_pred):
        return 2 * (y_pred - y_true)


class RowSquares(losses.Loss):
    """The same, one value a row."""

    def call(self, y_true, y_pred):
        return np.mean((y_true - y_pred) ** 2, axis=-1)

    def backward(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / y_pred.shape[-1]


class CrossEntropy(losses.Loss):
    """Of labels, from logits; raised to a power it is the focal loss (gamma 0 here)."""

    takes_labels = True

    def call(self, y_true, y_pred):
        return -np.log(np.take_along_axis(self.softmax(y_pred), y_true[..., None], -1)[..., 0])

    def backward(self, y_true, y_pred):
        return self.softmax(y_pred) - np.eye(y_pred.shape[-1])[y_true]

    @staticmethod
    def softmax(x):
        e = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)


RNG = np.random.default_rng(3)
X = RNG.standard_normal((50, 2, 3))
LABELS = RNG.integers(0, 3, (50, 2))
WEIGHTS = RNG.random(50)
REDUCTIONS = ["sum_over_batch_size", "mean_with_sample_weight", "sum"]
SPARSE = losses.SparseCategoricalCrossentropy
PAIRS = {
    "values": (Squares, losses.MeanSquaredError, X**2),
    "rows": (RowSquares, losses.MeanSquaredError, X**2),
    "labels": (CrossEntropy, lambda reduction: SPARSE(True, reduction=reduction), LABELS),
}


def model_of(loss, dtype="float64", **options):
    ug.random.seed(1)
    model = ug.Sequential([Input((2, 3), dtype), Dense(8, "tanh"), Dense(3)])
    model.compile(ug.optimizers.Adam(0.01), loss, **options)
    return model


@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum", None]
)
@pytest.mark.parametrize("case", PAIRS)
def test_value_and_gradient_are_those_of_the_native_loss(case, reduction):
    own, native, y = PAIRS[case]
    for dtype in (np.float32, np.float64):
        x = X.astype(dtype)
        for weights in (None, WEIGHTS[:, None]):
            value, gradient = own(reduction=reduction).value_and_gradient(y, x, weights)
            expected = native(reduction=reduction).value_and_gradient(y, x, weights)
            rtol = 100 * np.finfo(dtype).eps
            np.testing.assert_allclose(value, expected[0], rtol=rtol)
            np.testing.assert_allclose(gradient, expected[1], rtol=rtol, atol=rtol)
            assert gradient.dtype == dtype
    out = np.empty_like(X)
    assert own(reduction=reduction).gradient(y, X, out=out) is out
    np.testing.assert_array_equal(out, own(reduction=reduction).gradient(y, X))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", PAIRS)
def test_training_is_that_with_the_native_loss(case, reduction):
    own, native, y = PAIRS[case]
    accuracy = ["accuracy"] if case == "labels" else ["mse"]
    for weights in (None, WEIGHTS):
        options = {"metrics": accuracy, "loss_weights": 0.5}
        models, histories = [], []
        for make in (own, native):
            models.append(model_of(make(reduction=reduction), **options))
            given = {"sample_weight": weights, "validation_split": 0.2}
            histories.append(models[-1].fit(X, y, 16, epochs=3, verbose=0, **given))
        for name, values in histories[0].history.items():
            np.testing.assert_allclose(values, histories[1].history[name], rtol=1e-9)
        for mine, expected in zip(*(m.get_weights() for m in models), strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-7, atol=1e-9)
        mine, expected = (m.gradients(X, y) for m in models)
        assert mine[0] == pytest.approx(expected[0], rel=1e-9)


def test_one_of_several_outputs_with_a_loss_of_ones_own():
    y = {"p": X[:, 0, :1], "q": LABELS[:, 0]}

    def trained(first, second):
        ug.random.seed(2)
        x = Input((3,), "float64")
        hidden = Dense(6, "relu")(x)
        model = ug.Model(x, [Dense(1, name="p")(hidden), Dense(3, name="q")(hidden)])
        model.compile("sgd", [first, second], loss_weights=[2.0, 0.5])
        logs = model.fit(X[:, 1], y, 20, epochs=2, verbose=0).history
        return [*logs.values(), *model.get_weights()]

    found = trained(Squares(), CrossEntropy())
    expected = trained("mse", SPARSE(True))
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9)


def test_bits_do_not_depend_on_the_number_of_threads():
    found = []
    for count in (1, 2, 5):
        with ug.threads(count):
            model = model_of(CrossEntropy(), "float32")
            model.fit(np.tile(X, (20, 1, 1)), np.tile(LABELS, (20, 1)), 500, verbose=0)
            found.append(model.get_weights())
    for other in found[1:]:
        for mine, expected in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(mine, expected)


def test_without_a_derivative_a_model_can_be_evaluated_and_not_trained():
    class Largest(losses.Loss):
        def call(self, y_true, y_pred):
            return np.sort(np.abs(y_true - y_pred), axis=-1)[..., -1]

    model = model_of(Largest())
    expected = np.abs(model.predict(X) - X**2).max(-1).mean()
    assert model.evaluate(X, X**2) == pytest.approx(expected)
    before = model.get_weights()
    with pytest.raises(TypeError, match=r"largest cannot be differentiated: numpy\.sort needs"):
        model.fit(X, X**2, verbose=0)
    for mine, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, kept)
    with pytest.raises(NotImplementedError, match="does not implement call"):
        losses.Loss()([1.0], [2.0])


def test_a_metric_of_a_loss_of_ones_own_is_its_mean():
    model = model_of("mse", metrics=[Squares(name="own"), metrics.MeanSquaredError("native")])
    found = model.evaluate(X, X**2, return_dict=True)
    assert found["own"] == pytest.approx(found["native"]) == pytest.approx(found["loss"])


def test_models_with_a_loss_of_ones_own_are_saved_and_loaded(tmp_path):
    model = model_of(Squares(reduction="sum"))
    model.fit(X, X**2, verbose=0)
    path = tmp_path / "model.safetensors"
    model.save(path)
    with pytest.raises(ValueError, match="Squares"):
        ug.load_model(path)
    loaded = ug.load_model(path, custom_objects={"Squares": Squares})
    assert loaded.loss.reduction == "sum"
    for each in (model, loaded):
        each.fit(X, X**2, verbose=0, epochs=2)
    for mine, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, expected)


def squares(y_true, y_pred):
    return (y_true - y_pred) ** 2


def test_what_cannot_be_is_said():
    class Wrong(Squares):
        def call(self, y_true, y_pred):
            return np.zeros(3)

    class WrongBackward(Squares):
        def backward(self, y_true, y_pred):
            return np.zeros(3)

    for loss, message in (
        (Wrong(), r"wrong.call returns the shape \(3,\), expected \(\d+, 2\), a value"),
        (
            WrongBackward(),
            r"wrong_backward.backward returns the shape \(3,\), expected \(",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            model_of(loss).fit(X, X**2, verbose=0)
    with pytest.raises(ValueError, match="reduction is 'men'"):
        Squares(reduction="men")
    with pytest.raises(ValueError, match="one number"):
        model_of(Squares(reduction=None)).fit(X, X**2, verbose=0)
    with pytest.raises(ValueError, match="labels"):
        model_of(CrossEntropy()).fit(X, LABELS + 1, verbose=0)
    with pytest.raises(ValueError, match="computed by itself"):
        ug._native.loss(ug._native.LossSpec("custom"), X, X, None, False)
    network = model_of("mse")._native_network()
    spec = ug._native.OutputLoss(ug._native.LossSpec("custom"))
    with pytest.raises(ValueError, match="an object that computes it"):
        network.compile(ug.optimizers.SGD().spec(), [spec])
