"""BatchNormalization with batch renormalization and masks: Keras's values, and the formulas."""

import numpy as np
import pytest
from differences import check_gradients
from variants import rerun_on_other_variants

import unitgain as ug
from reference import batch_renorm as cases
from unitgain.layers import BatchNormalization, Dense, Input

test_other_variants = rerun_on_other_variants(__file__)

KERAS = np.load(cases.FILE)


class Upstream(ug.losses.Loss):
    """The sum of the outputs times the targets, whose gradient are these."""

    def __init__(self):
        super().__init__(reduction="sum")

    def call(self, y_true, y_pred):
        return (y_true * y_pred).reshape(len(y_pred), -1).sum(-1)

    def backward(self, y_true, y_pred):
        return y_true


class Shift(ug.layers.Layer):
    """Adds a weight of the batch's size, whose gradient is the input's."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def build(self, input_shape):
        self.shift = self.add_weight((self.rows, *input_shape), "zeros", name="shift")

    def call(self, inputs):
        return inputs + self.shift.array[: len(inputs)] if len(inputs) == self.rows else inputs

    def backward(self, upstream, inputs, outputs):
        return upstream, [upstream]


def trained(case, dtype):
    """Return a model of one norm that tells the gradient at its input, and the norm."""
    shape, masked, arguments = cases.CASES[case]
    layer = BatchNormalization(**arguments)
    x = Input(shape, dtype, name="x")
    mask = Input((*shape[:-1], 1), dtype, name="mask")
    shifted = Shift(len(cases.inputs(case, 0)))(x)
    flat = ug.layers.Flatten()(layer(shifted, mask=mask if masked else None))
    model = ug.Model([x, mask] if masked else x, flat)
    model.compile("sgd", Upstream())
    own = layer.trainable_weights
    for weight, values in zip(own, cases.weights(case, [w.shape for w in own]), strict=True):
        weight.assign(values)
    return model, layer


@pytest.mark.filterwarnings("ignore:flatten.* does not support masking")
@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("case", cases.CASES)
def test_values_gradients_and_statistics_are_those_of_keras(case, dtype):
    model, layer = trained(case, dtype)
    _, masked, _ = cases.CASES[case]
    found = []
    for call in range(cases.CALLS):
        x, y = cases.inputs(case, call), cases.upstream(case, call).reshape(9, -1)
        given = [x, cases.mask(case, call)[..., None].astype(float)] if masked else x
        _, gradients = model.gradients(given, y)
        output = model(given, training=True)
        found += [output, *gradients]
    found += [*layer.get_weights(), layer(cases.inputs(case, 0))]
    made, expected = cases.parts(*found), KERAS[f"{case}/{dtype}"]
    # Keras adds 1e-7 to the number of rows that a mask keeps, and takes its moments in one pass.
    bound = 2e-6 if dtype == "float32" else 3e-8 if masked else 1e-13
    error = np.abs(made - expected) / (1 + np.abs(expected))
    assert error.max() < 32 * bound


@pytest.mark.parametrize("arguments", [{}, {"center": False}, {"scale": False}, {"momentum": 0.5}])
def test_gradients_of_masked_statistics_are_the_differences(arguments):
    rng = np.random.default_rng(1)
    x = Input((4, 3), "float64")
    mask = Input((4, 1), "float64")
    hidden = BatchNormalization(**arguments)(Dense(5, "tanh")(x), mask=mask)
    model = ug.Model([x, mask], Dense(2)(hidden))
    model.compile("sgd", "mse")
    given = [rng.standard_normal((6, 4, 3)), (rng.random((6, 4, 1)) < 0.5).astype(float)]
    y = rng.standard_normal((6, 4, 2))
    check_gradients(model, given, y)


def test_all_rows_or_none_of_a_mask():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((7, 3, 5))
    plain, masked = BatchNormalization(), BatchNormalization()
    np.testing.assert_array_equal(
        masked(x, training=True, mask=np.ones((7, 3), bool)), plain(x, training=True)
    )
    for ours, expected in zip(masked.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)
    none = BatchNormalization(momentum=0.5)
    np.testing.assert_allclose(
        none(x, training=True, mask=np.zeros((7, 3), bool)), x / np.sqrt(1e-3), rtol=1e-12
    )
    np.testing.assert_array_equal(none.moving_variance.array, np.full(5, 0.5))


@pytest.mark.parametrize("renorm", [False, True])
def test_bits_are_the_same_for_any_number_of_threads(renorm):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((64, 3, 200)).astype(np.float32)
    kept = rng.random((64, 3)) < 0.7
    found = []
    for threads in (1, 2, 3):
        with ug.threads(threads):
            layer = BatchNormalization(renorm=renorm)
            found.append([layer(x, training=True, mask=kept), *layer.get_weights()])
    for other in found[1:]:
        for one, expected in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(one, expected)


def test_a_renormalized_layer_is_saved_and_infers_as_it_does(tmp_path):
    rng = np.random.default_rng(4)
    model = ug.Sequential(
        [
            Input((6,)),
            Dense(5),
            BatchNormalization(renorm=True, renorm_clipping={"rmax": 3}),
            Dense(2),
        ]
    )
    model.compile("adam", "mse")
    model.fit(rng.standard_normal((40, 6)), rng.standard_normal((40, 2)), epochs=2, verbose=0)
    model.save(tmp_path / "model.safetensors")
    again = ug.Model.load(tmp_path / "model.safetensors")
    x = rng.standard_normal((5, 6)).astype(np.float32)
    np.testing.assert_array_equal(again(x), model(x))
    assert again.layers[1].get_config() == model.layers[1].get_config()
    np.testing.assert_allclose(model.optimize_for_inference()(x), model(x), rtol=1e-5, atol=1e-6)
    names = [weight.name.split("/")[1] for weight in model.layers[1].weights]
    assert names == [
        "gamma", "beta", "moving_mean", "moving_variance", "moving_stddev", "renorm_mean",
        "renorm_stddev",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BatchNormalization(renorm_clipping={"max": 1}), "renorm_clipping has 'max'"),
        (
            lambda: BatchNormalization(renorm_clipping={"rmax": 1, "rmin": 2}),
            "rmin 2, which is more",
        ),
        (lambda: BatchNormalization(renorm_clipping={"dmax": -1}), "dmax -1, expected at least 0"),
        (lambda: BatchNormalization(renorm_momentum=2), "renorm_momentum must be between 0 and 1"),
        (
            lambda: BatchNormalization()(np.ones((2, 3, 4)), mask=np.ones((2, 3, 4))),
            "one dimension less than the inputs",
        ),
        (
            lambda: BatchNormalization(axis=1)(np.ones((2, 3, 4)), mask=np.ones((2, 3))),
            "along the last axis, but axis is 1",
        ),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
