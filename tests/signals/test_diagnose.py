"""Model.diagnose: its numbers by NumPy in float64, for any graph, changing nothing."""

import importlib.util
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sick_networks import chain, classifier, probabilities

import unitgain as ug
from unitgain import layers, losses
from unitgain.signals.measures import Measured, copied_units, dead_units, distributions, likeness


def net(*body, dtype="float64", loss="mse", optimizer="sgd", width=6):
    ug.random.seed(1)
    model = ug.Sequential([layers.Input((width,), dtype=dtype, name="x"), *body])
    model.compile(optimizer, loss)
    return model


def data(rows=40, width=6, units=2, dtype="float64"):
    generator = np.random.default_rng(3)
    return (
        generator.standard_normal((rows, width)).astype(dtype),
        generator.standard_normal((rows, units)),
    )


def spread(values):
    return math.sqrt(values.var(axis=0).mean())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 2])
def test_numbers_are_those_of_float64_formulas(dtype, threads):
    model = net(
        layers.Dense(8, "tanh", name="a"), layers.Dense(5, "relu", name="b"),
        layers.Dense(2, name="c"), dtype=dtype,
    )  # fmt: skip
    x, y = data(dtype=dtype)
    with ug.threads(threads):
        report = model.diagnose(x, y)
    a, b, c = (
        (model.get_layer(n).kernel.numpy().astype("float64"), model.get_layer(n).bias.numpy())
        for n in "abc"
    )
    x = x.astype("float64")
    z1 = x @ a[0] + a[1]
    h1 = np.tanh(z1)
    z2 = h1 @ b[0] + b[1]
    h2 = np.maximum(z2, 0)
    out = h2 @ c[0] + c[1]
    d3 = 2 * (out - y) / out.size
    dh2 = d3 @ c[0].T
    d2 = dh2 * (z2 > 0)
    dh1 = d2 @ b[0].T
    d1 = dh1 * (1 - h1**2)
    rtol = 1e-9 if dtype == "float64" else 1e-4
    seen = {layer.name: layer for layer in report.layers}
    assert report.value == pytest.approx(((out - y) ** 2).mean(), rel=rtol)
    for name, z, h, d in (("a", z1, h1, d1), ("b", z2, h2, d2), ("c", out, out, d3)):
        layer = seen[name]
        assert layer.before.mean == pytest.approx(z.mean(), rel=rtol, abs=1e-6)
        assert layer.before.variance == pytest.approx(z.var(), rel=rtol)
        assert layer.after.variance == pytest.approx(h.var(), rel=rtol)
        assert layer.after.spread == pytest.approx(spread(h), rel=rtol)
        assert layer.after.zeros == pytest.approx((h == 0).mean())
        assert layer.after.smallest == pytest.approx(h.min(), rel=rtol)
        assert layer.after.largest == pytest.approx(h.max(), rel=rtol)
        counts = np.histogram(h, 50)[0]
        assert layer.after.histogram.sum() == h.size
        assert np.abs(layer.after.histogram - counts).sum() <= 0.02 * h.size + 4
        assert layer.gradient_norm == pytest.approx(np.linalg.norm(d), rel=rtol)
        assert layer.gradient_variance == pytest.approx(d.var(), rel=rtol)
        kernel = model.get_layer(name).kernel.numpy().astype("float64")
        values = np.linalg.svd(kernel, compute_uv=False)
        assert layer.condition == pytest.approx(values[0] / values[-1], rel=100 * rtol)
    assert seen["a"].kernel_gradient_norm == pytest.approx(np.linalg.norm(x.T @ d1), rel=rtol)
    assert seen["a"].after.saturated == pytest.approx((1 - h1**2 <= 0.01).mean(), abs=1e-9)
    assert seen["b"].after.saturated == pytest.approx((z2 <= 0).mean())
    assert seen["a"].forward_gain == pytest.approx(spread(h1) / spread(x), rel=rtol)
    assert seen["b"].backward_gain == pytest.approx(
        np.linalg.norm(dh1) / np.linalg.norm(dh2), rel=rtol
    )
    assert seen["b"].forward_total == pytest.approx(spread(h2) / spread(x), rel=rtol)
    assert seen["a"].backward_total == pytest.approx(
        np.linalg.norm(d1) / np.linalg.norm(d3), rel=rtol
    )
    product = math.prod(seen[n].forward_gain for n in "abc")
    assert product == pytest.approx(seen["c"].forward_total)
    assert seen["b"].dead == [int(i) for i in np.flatnonzero((h2 == 0).all(axis=0))]


@pytest.mark.parametrize(
    "optimizer",
    ["sgd", "adam", "lion", "adamw", ug.optimizers.SGD(0.1, momentum=0.9, nesterov=True)],
    ids=str,
)
def test_update_is_what_the_next_step_does(optimizer):
    model = net(layers.Dense(8, "tanh", name="a"), layers.Dense(2, name="c"), optimizer=optimizer)
    x, y = data()
    for _ in range(3):
        model.train_on_batch(x, y)
    report = model.diagnose(x, y)
    before = [model.get_layer(n).kernel.numpy() for n in "ac"]
    model.train_on_batch(x, y)
    for name, old in zip("ac", before, strict=True):
        new = model.get_layer(name).kernel.numpy()
        expected = np.linalg.norm(new - old) / np.linalg.norm(old)
        assert report.layer(name).update_ratio == pytest.approx(expected, rel=1e-9)


def test_nothing_of_the_model_changes():
    def trained(looks):
        model = net(
            layers.Dense(8, name="a"), layers.BatchNormalization(), layers.ReLU(),
            layers.Dropout(0.3, seed=5), layers.Dense(2), optimizer="adam", dtype="float32",
        )  # fmt: skip
        x, y = data(dtype="float32")
        for _ in range(3):
            if looks:
                model.diagnose(x, y)
                model.diagnose(x)
            model.train_on_batch(x, y)
        return model.get_weights()

    for a, b in zip(trained(False), trained(True), strict=True):
        np.testing.assert_array_equal(a, b)


class Halve(layers.Layer):
    def build(self, input_shape):
        self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")

    def call(self, inputs):
        return inputs * self.factor.array

    def backward(self, upstream, inputs, outputs):
        return upstream * self.factor.array, [(upstream * inputs).sum(axis=0)]


class Absolute(layers.Layer):
    """Arithmetic without a derivative, in front of what is trained."""

    def call(self, inputs):
        return np.abs(inputs)


class Block(layers.Layer):
    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.inner = layers.Dense(6, "relu")

    def call(self, inputs):
        return inputs + self.inner(inputs)


def test_branches_shared_and_custom_layers_and_models_in_models():
    ug.random.seed(0)
    x = layers.Input((6,), dtype="float64", name="x")
    shared = layers.Dense(6, "tanh", name="shared")
    a = shared(Absolute(name="absolute")(x))
    b = Halve(name="halve")(shared(a))
    inner_in = layers.Input((6,), dtype="float64", name="inner_in")
    inner = ug.Model(inner_in, layers.Dense(6, "elu", name="inside")(inner_in), name="inner")
    c = Block(name="block")(b)
    joined = layers.Concatenate(name="joined")([inner(c), layers.Reshape((6,), name="r")(a)])
    one = layers.Dense(2, name="one")(joined)
    two = layers.Dense(3, "softmax", name="two")(joined)
    model = ug.Model(x, [one, two])
    values, wanted = data()
    names = [layer.name for layer in model.diagnose(values).layers]
    for name in ("absolute", "shared", "shared (2)", "halve", "block/inner", "inside", "two"):
        assert name in names
    model.compile("adam", ["mse", "sparse_categorical_crossentropy"])
    report = model.diagnose(values, [wanted, np.arange(40) % 3])
    assert report.verdict == "healthy"
    assert report.layer("two").after is None  # the loss takes the logits
    assert report.layer("two").before.variance > 0
    assert report.layer("shared (2)").forward_gain > 0
    joined_values = report.layer("joined").after
    assert joined_values.variance > 0
    assert report.layer("r").after.variance == report.layer("shared").after.variance


def test_gradients_lead_through_frozen_layers_to_the_inputs():
    model = net(layers.Dense(8, "tanh", name="a"), layers.Dense(2, name="c"))
    model.get_layer("a").trainable = False
    x, y = data()
    report = model.diagnose(x, y)
    assert report.layer("x").gradient_norm > 0
    assert report.layer("a").gradient_norm > 0
    assert math.isnan(report.layer("a").update_ratio)
    model.trainable = False
    model.compile("sgd", "mse")
    assert model.diagnose(x, y).layer("a").gradient_norm > 0


def test_several_batches_make_one_report():
    model = net(layers.Dense(8, "relu", name="a"), layers.Dense(2, name="c"))
    x, y = data()
    whole, parts = model.diagnose(x, y), model.diagnose(x, y, batch_size=16)
    assert parts.batch_size == 16
    for name in ("x", "a", "c"):
        assert parts.layer(name).after.variance == pytest.approx(whole.layer(name).after.variance)
        assert parts.layer(name).dead == whole.layer(name).dead
    assert parts.value == pytest.approx(whole.value)


def test_weights_of_samples_count():
    model = net(layers.Dense(8, "relu", name="a"), layers.Dense(2, name="c"))
    x, y = data()
    weights = np.r_[np.ones(20), np.zeros(20)]
    half = model.diagnose(x[:20], y[:20]).layer("c").gradient_norm
    whole = model.diagnose(x, y, weights).layer("c").gradient_norm
    assert whole == pytest.approx(half / 2)


def test_inputs_of_any_form():
    model = net(layers.Dense(4, "relu", name="a"), layers.Dense(2, name="c"))
    x, y = data()
    strided = np.repeat(x, 2, axis=1)[:, ::2]
    a = model.diagnose(strided, y).layer("a").after.variance
    assert a == model.diagnose(x, y).layer("a").after.variance
    assert model.diagnose(x[:1], y[:1]).layer("a").after.spread > 0  # one row
    unbuilt = ug.Sequential([layers.Dense(3, "relu"), layers.Dense(1)])
    assert unbuilt.diagnose(x).rows == 40


def test_values_that_are_not_finite_have_a_place():
    model = net(layers.Dense(4, "tanh", name="a"), layers.Dense(2, name="c"))
    x, y = data()
    x[3, 2] = np.nan
    report = model.diagnose(x, y)
    assert report.layer("x").verdict == "exploding"
    assert report.layer("a").verdict == "healthy"
    repr(report)


def test_errors():
    model = net(layers.Dense(4, name="a"), layers.Dense(2, name="c"))
    x, y = data()
    with pytest.raises(ValueError, match="x has no samples"):
        model.diagnose(x[:0], y[:0])
    with pytest.raises(ValueError, match="expected"):
        model.diagnose(x[:, :5], y)
    with pytest.raises(ValueError, match="x has 40 samples"):
        model.diagnose(x, y[:7])
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        model.diagnose(x, y, batch_size=0)
    with pytest.raises(KeyError, match="no layer 'b'"):
        model.diagnose(x, y).layer("b")


def test_loss_of_ones_own():
    class Cubic(losses.Loss):
        def call(self, y_true, y_pred):
            return np.abs(y_pred - y_true) ** 3

        def backward(self, y_true, y_pred):
            return 3 * (y_pred - y_true) * np.abs(y_pred - y_true) / y_pred.shape[-1]

    model = net(layers.Dense(4, "tanh"), layers.Dense(2), loss=Cubic())
    report = model.diagnose(*data())
    assert report.loss == "cubic"
    assert report.verdict == "healthy"


# ---- the report ----


def test_report_is_shown():
    model, given = chain(20, 32, "sigmoid", "glorot_uniform")
    report = model.diagnose(**given)
    text = repr(report)
    assert text.splitlines()[0].startswith(f"{model.name}: vanishing (96 rows, mean_squared_error")
    assert "hidden_0, hidden_1 ... hidden_19 (20 layers): a sigmoid's slope" in text
    page = report._repr_html_()
    assert page.count("<tr") == len(report.layers) + 1
    assert "hidden_7 (Dense)" in page
    assert not report.is_healthy


def test_report_as_a_dict_has_plain_values():
    model, given = chain(2, 8, "relu", "he_normal")
    found = model.diagnose(**given).to_dict()

    def check(value):
        if isinstance(value, dict):
            for one in value.values():
                check(one)
        elif isinstance(value, (list, tuple)):
            for one in value:
                check(one)
        else:
            assert value is None or type(value) in (int, float, str, bool)

    check(found)
    assert found["layers"][1]["name"] == "hidden_0"
    assert len(found["layers"][1]["after"]["histogram"]) == 50


def test_report_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    model, given = classifier(probabilities(10))
    path = tmp_path / "signals.png"
    model.diagnose(**given).plot(path)
    assert path.stat().st_size > 10_000
    with pytest.raises(ValueError, match="its name must end in"):
        model.diagnose(**given).plot(tmp_path / "signals.nothing")


def test_drawing_without_matplotlib_names_the_extra(monkeypatch, tmp_path):
    model, given = chain(2, 8, "relu", "he_normal")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"unitgain\[plot\]"):
        model.diagnose(**given).plot(tmp_path / "signals.png")


def test_limits_have_reasons():
    for name, limit in ug.signals.LIMITS.items():
        assert limit.value > 0, name
        assert len(limit.reason) > 40, name


# ---- sums ----


def measured(values, gradients=None):
    def sums(array):
        weights = np.random.default_rng(0).uniform(-1, 1, len(array))
        return np.array(
            [array.sum(0), (array**2).sum(0), weights @ array, (array == 0).sum(0), array.min(0),
             array.max(0), 0 * array.sum(0)]
        )  # fmt: skip

    given_gradients = None if gradients is None else sums(gradients)
    return Measured(len(values), False, sums(values), given_gradients, None)


@given(arrays(np.float64, (7, 4), elements=st.floats(-1e3, 1e3)))
@settings(max_examples=60, deadline=None)
def test_sums_give_moments(values):
    other = measured(np.ones((3, 2)))
    found = distributions({5: other, 2: measured(values), 9: other})[2]
    assert found.mean == pytest.approx(values.mean(), abs=1e-9)
    assert found.variance == pytest.approx(values.var(), rel=1e-9, abs=1e-6)
    assert found.spread == pytest.approx(spread(values), rel=1e-5, abs=1e-2)
    assert dead_units(measured(values)) == list(np.flatnonzero((values == 0).all(axis=0)))
    assert 0 <= likeness(measured(values)) <= 1


def test_copies_are_groups_of_equal_columns_with_equal_gradients():
    generator = np.random.default_rng(1)
    values, gradients = generator.standard_normal((2, 20, 7))
    values[:, 4] = values[:, 1]
    values[:, 6] = values[:, 1]
    values[:, 5] = values[:, 0]
    gradients[:, [4, 6]] = gradients[:, [1]]
    assert copied_units(measured(values, gradients)) == [[1, 4, 6]]
    assert copied_units(measured(values)) in ([[0, 5], [1, 4, 6]], [[1, 4, 6], [0, 5]])
    assert copied_units(measured(values[:2])) == []  # too few rows to tell


def test_likeness_of_rows():
    generator = np.random.default_rng(1)
    rows = generator.standard_normal((400, 50))
    assert likeness(measured(rows)) == pytest.approx(0, abs=0.01)
    assert likeness(measured(rows + 1)) == pytest.approx(0.5, abs=0.02)
    assert likeness(measured(np.ones((9, 3)))) == pytest.approx(1)
