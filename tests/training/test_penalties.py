"""Regularizers, constraints, learning rates by layer and gradient accumulation."""

import copy
import json
import math
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from reference import penalty_cases
from unitgain import _native, constraints, layers, optimizers, regularizers

test_other_variants = rerun_on_other_variants(__file__)

KERAS = np.load(Path(__file__).parents[1] / "reference" / "penalties.npz")
REGULARIZERS = [
    regularizers.L1(0.1),
    regularizers.L2(0.2),
    regularizers.L1L2(0.1, 0.2),
    regularizers.OrthogonalRegularizer(0.5),
    regularizers.OrthogonalRegularizer(0.5, "columns"),
]
CONSTRAINTS = [
    constraints.MaxNorm(0.5),
    constraints.MaxNorm(0.5, 1),
    constraints.MaxNorm(0.5, None),
    constraints.NonNeg(),
    constraints.UnitNorm(),
    constraints.UnitNorm([0, -1]),
    constraints.MinMaxNorm(0.2, 0.3, 0.5, axis=-1),
]


class FourthPowers(regularizers.Regularizer):
    def __call__(self, x):
        return 0.1 * float(np.sum(x**4))

    def gradient(self, x):
        return 0.4 * x**3


class Quarters(constraints.Constraint):
    def __call__(self, w):
        return np.round(4 * w) / 4


def network(dtype="float64", sizes=(6, 5, 3), optimizer=None, seed=0, **arguments):
    ug.random.seed(seed)
    model = ug.Sequential(
        [
            layers.Input((sizes[0],), dtype),
            layers.Dense(sizes[1], "tanh", name="first", **arguments),
            layers.Dense(sizes[2], name="last"),
        ]
    )
    model.compile(optimizer or optimizers.SGD(0.1), "mse")
    return model


def samples(model, count=16, seed=0):
    rng = np.random.default_rng(seed)
    shapes = model.input_shape[-1], model.output_shape[-1]
    return [rng.standard_normal((count, size)).astype(model.dtype) for size in shapes]


# ---- Keras ----


@pytest.mark.parametrize("name", penalty_cases.CASES)
def test_training_is_keras_s(name):
    found = penalty_cases.run(penalty_cases.build(ug, name))
    # Batch norm with PyTorch behind Keras has an error of 1e-7 in float64, too.
    for key, value in found.items():
        np.testing.assert_allclose(value, KERAS[f"{name}/{key}"], rtol=0, atol=1e-5, err_msg=key)


def test_the_cases_differ_by_more_than_the_bound():
    plain = penalty_cases.run(penalty_cases.build(ug, "accumulated nadam"))["weights"]
    for name in penalty_cases.CASES:
        other = KERAS[f"{name}/weights"]
        assert name == "accumulated nadam" or np.abs(other - plain).max() > 1e-3


# ---- regularizers ----


@pytest.mark.parametrize("made", [*REGULARIZERS, FourthPowers()])
def test_gradients_are_float64_differences_of_the_total_loss(made):
    model = network(kernel_regularizer=made)
    x, y = samples(model)
    loss, gradients = model.gradients(x, y)
    assert model.losses == model.layers[0].losses == [made(model.weights[0].array)]
    assert loss == pytest.approx(network().evaluate(x, y) + model.losses[0], abs=1e-14)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        for i in list(np.ndindex(weight.shape))[::3]:
            old, losses = weight.array[i], []
            for step in (1e-6, -1e-6):
                weight.array[i] = old + step
                losses.append(model.evaluate(x, y))
            weight.array[i] = old
            assert gradient[i] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("made", [*REGULARIZERS, FourthPowers()])
def test_all_passes_tell_the_total_loss(made):
    model = network(kernel_regularizer=made, optimizer=optimizers.SGD(0.0))
    x, y = samples(model)
    loss, gradients = model.gradients(x, y)
    assert model.evaluate(x, y, batch_size=5) == pytest.approx(loss, abs=1e-14)
    assert model.train_on_batch(x, y) == pytest.approx(loss, abs=1e-14)
    assert model.test_on_batch(x, y) == pytest.approx(loss, abs=1e-14)
    logs = model.fit(x, y, batch_size=5, verbose=0, validation_data=(x, y)).history
    assert logs["loss"] == pytest.approx([loss], abs=1e-14)
    assert logs["val_loss"] == pytest.approx([loss], abs=1e-14)
    for array, again in zip(gradients, model.gradients(x, y)[1], strict=True):
        np.testing.assert_array_equal(array, again)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 17, 4096, 4097, 20_001])
def test_penalties_of_any_size_are_their_formulas(size, dtype):
    made = regularizers.L1L2(0.01, 0.02)
    model = network(dtype, (size, 1, 1), optimizers.SGD(1.0), kernel_regularizer=made)
    w = model.weights[0].array
    w[...] = np.random.default_rng(1).standard_normal(w.shape)
    w[::5] = 0
    before = w.astype(np.float64)
    model.train_on_batch(np.zeros((2, size), dtype), np.zeros((2, 1), dtype))
    penalty = model.gradients(np.zeros((2, size), dtype), np.zeros((2, 1), dtype))[0]
    exact = w.astype(np.float64)
    expected = 0.01 * np.abs(exact).sum() + 0.02 * (exact**2).sum()
    assert penalty == pytest.approx(expected, rel=1e-13 if dtype == "float64" else 1e-7)
    new = before - (0.01 * np.sign(before) + 0.04 * before)
    np.testing.assert_allclose(w, new, rtol=0, atol=4 * np.finfo(dtype).eps)


def test_orthogonality_of_large_matrices_and_of_zero_rows():
    for mode, zero in (("rows", True), ("columns", False)):
        made = regularizers.OrthogonalRegularizer(0.7, mode)
        model = network(sizes=(150, 70, 2), kernel_regularizer=made)
        w = model.weights[0].array
        if zero:
            w[3] = 0
        x, y = samples(model)
        plain = network(sizes=(150, 70, 2))
        plain.set_weights(model.get_weights())
        (loss, gradients), (base, ordinary) = model.gradients(x, y), plain.gradients(x, y)
        assert loss - base == pytest.approx(made(w), rel=1e-12)
        np.testing.assert_allclose(gradients[0] - ordinary[0], made.gradient(w), atol=1e-12)


def test_penalties_of_frozen_layers_do_not_count():
    model = network(kernel_regularizer="l2")
    x, y = samples(model)
    with_penalty = model.evaluate(x, y)
    assert len(model.losses) == 1
    model.layers[0].trainable = False
    assert model.losses == []
    assert model.evaluate(x, y) == pytest.approx(network().evaluate(x, y), abs=1e-15)
    assert model.evaluate(x, y) < with_penalty - 0.01


def test_penalties_of_shared_and_nested_layers_count_once():
    x = layers.Input((4,), "float64")
    shared = layers.Dense(4, kernel_regularizer="l2")
    inner = ug.Sequential([layers.Input((4,), "float64"), shared])
    model = ug.Model(x, layers.Dense(2)(inner(shared(x))))
    model.compile("sgd", "mse")
    inputs, targets = samples(model)
    error = np.mean((model.predict(inputs) - targets) ** 2)
    assert len(model.losses) == 1
    assert model.evaluate(inputs, targets) == pytest.approx(error + model.losses[0], rel=1e-12)


def test_penalties_of_several_outputs_are_in_the_total_alone():
    x = layers.Input((4,), "float64")
    a = layers.Dense(2, name="a", kernel_regularizer="l2")(x)
    b = layers.Dense(3, name="b", kernel_regularizer="orthogonal_regularizer")(x)
    model = ug.Model(x, [a, b])
    rng = np.random.default_rng(0)
    inputs, one, two = (rng.standard_normal((9, n)) for n in (4, 2, 3))
    model.compile("sgd", ["mse", "mse"])
    logs = model.evaluate(inputs, [one, two], batch_size=4, return_dict=True)
    assert logs["loss"] == pytest.approx(logs["a_loss"] + logs["b_loss"] + sum(model.losses))
    # An output without a loss: the penalties of its weights alone move them, the same each time.
    model.compile(optimizers.SGD(0.0), ["mse", None])
    first, second = (model.gradients(inputs, [one, None])[1] for _ in range(2))
    model.train_on_batch(inputs, [one, None])
    third = model.gradients(inputs, [one, None])[1]
    for arrays in zip(first, second, third, strict=True):
        np.testing.assert_array_equal(arrays[0], arrays[1])
        np.testing.assert_array_equal(arrays[0], arrays[2])
    kernel = model.get_layer("b").kernel
    np.testing.assert_allclose(first[2], kernel.regularizer.gradient(kernel.array), atol=1e-15)
    assert not first[3].any()
    model.compile(optimizers.SGD(0.1), ["mse", None])
    expected = kernel.numpy()
    for _ in range(3):
        model.train_on_batch(inputs, [one, None])
        expected -= 0.1 * kernel.regularizer.gradient(expected)
    np.testing.assert_allclose(kernel, expected, rtol=1e-13)


def test_what_a_user_s_regularizer_does_wrong_is_said():
    class Value(regularizers.Regularizer):
        def __call__(self, x):
            return np.sort(x)[0]

    class Short(FourthPowers):
        def gradient(self, x):
            return x[:1]

    for made, error, message in (
        (Value(), NotImplementedError, r"Value has no derivative"),
        (Short(), ValueError, r"Short.gradient returns shape \(1, 5\), but first/kernel has"),
    ):
        model = network(kernel_regularizer=made)
        weights = model.get_weights()
        with pytest.raises(error, match=message):
            model.train_on_batch(*samples(model))
        assert model.optimizer.iterations == 0
        for before, after in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("clip", ["clipvalue", "clipnorm", "global_clipnorm"])
def test_limits_hold_for_gradient_and_penalty_together(clip):
    made = regularizers.L2(50.0)
    limited = network(kernel_regularizer=made, optimizer=optimizers.SGD(1.0, **{clip: 0.25}))
    x, y = samples(limited)
    _, gradients = limited.gradients(x, y)
    before = limited.get_weights()
    limited.train_on_batch(x, y)
    steps = [b - a for a, b in zip(limited.get_weights(), before, strict=True)]
    norms = [np.linalg.norm(g) for g in gradients]
    if clip == "clipvalue":
        expected = [np.clip(g, -0.25, 0.25) for g in gradients]
    elif clip == "clipnorm":
        expected = [g * min(1, 0.25 / n) for g, n in zip(gradients, norms, strict=True)]
    else:
        expected = [g * min(1, 0.25 / np.linalg.norm(norms)) for g in gradients]
    for step, should in zip(steps, expected, strict=True):
        np.testing.assert_allclose(step, should, atol=1e-14)


# ---- activities ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(6, 5, 3), (6, 900, 3)])
def test_penalties_of_activities_are_their_formula(sizes, dtype):
    made = regularizers.L1L2(0.1, 0.2)
    model = network(dtype, sizes, activity_regularizer=made)
    plain = network(dtype, sizes)
    x, y = samples(model, 11)
    hidden = ug.Sequential([layers.Input(sizes[:1], dtype), plain.layers[0]]).predict(x)
    expected = plain.evaluate(x, y) + made(hidden) / len(x)
    bound = 1e-6 if dtype == "float32" else 1e-13
    assert model.evaluate(x, y) == pytest.approx(expected, rel=bound)
    assert model.gradients(x, y)[0] == pytest.approx(expected, rel=bound)
    assert model.train_on_batch(x, y) == pytest.approx(expected, rel=bound)
    assert model.losses == []
    np.testing.assert_array_equal(network(dtype, sizes).predict(x), plain.predict(x))


def test_gradients_of_activities_are_float64_differences():
    ug.random.seed(2)
    first = layers.Dense(5, "elu", activity_regularizer="l1")
    x = layers.Input((4,), "float64")
    penalised = layers.ActivityRegularization(l1=0.3, l2=0.2)(layers.BatchNormalization()(first(x)))
    joined = layers.Concatenate()([penalised, first(layers.Dense(4)(x))])
    model = ug.Model(x, layers.Dense(2, "softmax", activity_regularizer="l2")(joined))
    model.compile("sgd", "categorical_crossentropy")
    inputs = np.random.default_rng(0).standard_normal((7, 4))
    targets = np.eye(2)[[0, 1, 1, 0, 1, 0, 0]]
    _, gradients = model.gradients(inputs, targets)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        for i in list(np.ndindex(weight.shape))[::2]:
            old, losses = weight.array[i], []
            for step in (1e-6, -1e-6):
                weight.array[i] = old + step
                losses.append(model.gradients(inputs, targets)[0])
            weight.array[i] = old
            assert gradient[i] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-7)


# ---- constraints ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [optimizers.SGD, optimizers.Adam, optimizers.Muon])
@pytest.mark.parametrize("made", [*CONSTRAINTS, Quarters()])
def test_steps_end_with_the_constraint(made, kind, dtype):
    held = network(dtype, (37, 21, 3), kind(0.3), kernel_constraint=made, bias_constraint="non_neg")
    free = network(dtype, (37, 21, 3), kind(0.3))
    for model in (held, free):
        model.train_on_batch(*samples(model))
    bound = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(held.weights[0], made(free.weights[0].array), rtol=0, atol=bound)
    np.testing.assert_array_equal(held.weights[1], np.maximum(free.weights[1].array, 0))
    np.testing.assert_array_equal(held.weights[2], free.weights[2])


@pytest.mark.parametrize("shape", [(1,), (5000,), (9001, 1), (1, 70), (3, 4, 5), (2, 300, 7)])
@pytest.mark.parametrize("axis", [0, -1, None])
def test_norms_along_any_axis_of_any_shape(axis, shape):
    made = constraints.MinMaxNorm(0.5, 1.5, 0.25, axis)
    values = np.random.default_rng(2).standard_normal(shape)
    variable = layers.Variable("w", values, True, "float64")
    variable.constraint = made
    optimizers.SGD(1.0).apply([np.zeros(shape)], [variable])
    np.testing.assert_allclose(variable.array, made(values), rtol=1e-13)


def test_apply_holds_variables_to_their_constraints():
    kernel = layers.Variable("kernel", np.full((3, 2), 2.0), True)
    bias = layers.Variable("bias", np.full(2, 2.0), True)
    kernel.constraint, bias.constraint = constraints.UnitNorm(), Quarters()
    optimizer = optimizers.SGD(1.0)
    ones = [np.full(w.shape, 1.9, np.float32) for w in (kernel, bias)]
    optimizer.apply(ones, [kernel, bias])
    np.testing.assert_allclose(kernel, 3**-0.5, rtol=1e-5)
    assert (bias.array == 0).all()
    # What has no gradient stays as it is.
    kernel.array[...] = bias.array[...] = 0.3
    with pytest.warns(UserWarning, match="no gradient for kernel"):
        optimizer.apply([None, np.zeros(2, np.float32)], [kernel, bias])
    assert (kernel.array == np.float32(0.3)).all()
    assert (bias.array == 0.25).all()


def test_not_a_number_is_not_hidden():
    model = network(kernel_constraint=constraints.NonNeg(), bias_constraint="max_norm")
    for weight in model.weights[:2]:
        weight.array[...] = 1
        weight.array[..., 1] = np.nan
    x, y = samples(model)
    model.train_on_batch(x, y)
    assert np.isnan(model.weights[0].array[:, 1]).all()
    assert np.isnan(model.weights[1].array).all()


# ---- both ----


def everything(threads, dtype, optimizer):
    """Weights after some steps with penalties and constraints of all kinds, on so many threads."""
    with ug.threads(threads):
        ug.random.seed(4)
        model = ug.Sequential(
            [
                layers.Input((70,), dtype),
                layers.Dense(
                    90,
                    "relu",
                    kernel_regularizer=regularizers.L1L2(1e-3, 1e-3),
                    kernel_constraint=constraints.MaxNorm(0.8),
                    bias_constraint="non_neg",
                ),
                layers.BatchNormalization(gamma_regularizer="l2", beta_constraint="unit_norm"),
                layers.Dense(
                    80,
                    "tanh",
                    kernel_regularizer=regularizers.OrthogonalRegularizer(0.3),
                    kernel_constraint=constraints.UnitNorm(None),
                ),
                layers.ActivityRegularization(1e-3, 1e-3),
                layers.Dense(
                    5,
                    kernel_regularizer=regularizers.OrthogonalRegularizer(0.3, "columns"),
                    kernel_constraint=constraints.MinMaxNorm(0.1, 0.5, 0.5, axis=1),
                ),
            ]
        )
        model.compile(optimizer, "mse")
        x, y = samples(model, 60)
        losses = [model.train_on_batch(x[i : i + 20], y[i : i + 20]) for i in (0, 20, 40, 0)]
        losses += [model.evaluate(x, y), model.gradients(x, y)[0]]
        return [np.array(losses), *model.get_weights(), *model.gradients(x, y)[1]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.Adam(0.01),
        lambda: optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.3),
        lambda: optimizers.RMSprop(0.01, clipnorm=0.1, gradient_accumulation_steps=2),
        lambda: optimizers.Muon(0.01, clipvalue=0.01, use_ema=True),
    ],
)
def test_steps_are_bitwise_equal_for_any_number_of_threads(make, dtype):
    results = [everything(threads, dtype, make()) for threads in (1, 2, 3)]
    for result in results[1:]:
        for found, expected in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(found, expected)


def test_evaluations_run_side_by_side():
    model = network(sizes=(60, 50, 3), kernel_regularizer="orthogonal_regularizer")
    x, y = samples(model, 200)
    expected = model.evaluate(x, y)
    found = []
    workers = [
        threading.Thread(target=lambda: found.append(model.evaluate(x, y))) for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [expected] * 8


def test_settings_may_change_between_steps_and_the_optimizer_goes_on():
    model = network(optimizer=optimizers.SGD(0.1, momentum=0.9))
    x, y = samples(model)
    model.train_on_batch(x, y)
    momentum = model.optimizer.variables[2].numpy()
    kernel = model.weights[0]
    kernel.regularizer = regularizers.L2(0.5)
    kernel.constraint = constraints.MaxNorm(0.1)
    assert model.evaluate(x, y) > network().evaluate(x, y)
    np.testing.assert_array_equal(model.optimizer.variables[2].numpy(), momentum)
    model.train_on_batch(x, y)
    assert model.optimizer.iterations == 2
    assert np.linalg.norm(kernel.array, axis=0).max() < 0.1001
    kernel.constraint = None
    kernel.array[...] = 1
    model.train_on_batch(x, y)
    assert np.linalg.norm(kernel.array, axis=0).min() > 0.1001


# ---- learning rates by layer ----

OPTIMIZERS = [
    optimizers.SGD, optimizers.Adagrad, optimizers.Adadelta, optimizers.RMSprop, optimizers.Adam,
    optimizers.AdamW, optimizers.Adamax, optimizers.Nadam, optimizers.Lion, optimizers.Muon,
]  # fmt: skip


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_multiplier_is_a_learning_rate_of_its_own(kind):
    mixed, slow, fast = (
        network(optimizer=kind(rate, weight_decay=0.1)) for rate in (0.02, 0.005, 0.02)
    )
    mixed.layers[0].learning_rate_multiplier = 0.25
    # The last layer's weights do not move, so that the first's gradients are the same.
    for model in (mixed, slow, fast):
        model.layers[1].trainable = False
        for _ in range(4):
            model.train_on_batch(*samples(model))
    for i in (0, 1):
        np.testing.assert_allclose(mixed.weights[i], slow.weights[i], rtol=1e-12)
        assert not np.allclose(mixed.weights[i], fast.weights[i])


def test_multipliers_are_set_at_any_time_and_on_whole_models():
    model = network(optimizer=optimizers.SGD(0.1, momentum=0.9))
    x, y = samples(model)
    model.train_on_batch(x, y)
    first = model.layers[0]
    first.learning_rate_multiplier = 0
    before = first.kernel.numpy()
    assert model.learning_rate_multiplier is None
    for _ in range(60):  # until the momentum is spent
        model.train_on_batch(x, y)
    moved = first.kernel.numpy()
    model.train_on_batch(x, y)
    assert np.abs(moved - before).max() > 0
    assert np.abs(first.kernel.array - moved).max() < 1e-3 * np.abs(moved - before).max()
    assert model.optimizer.iterations == 62
    model.learning_rate_multiplier = 0.5
    assert [layer.learning_rate_multiplier for layer in model.layers] == [0.5, 0.5]
    assert model.learning_rate_multiplier == 0.5
    for bad in (-1, math.inf, math.nan):
        with pytest.raises(ValueError, match="learning_rate_multiplier must be a finite number"):
            first.learning_rate_multiplier = bad


def test_multipliers_are_in_the_configuration_where_they_are_not_1():
    layer = layers.Dense(3)
    assert "learning_rate_multiplier" not in layer.get_config()
    layer.learning_rate_multiplier = 0.1
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert again.learning_rate_multiplier == 0.1
    again.ensure_built((4,), "float32")
    assert again.kernel.learning_rate_multiplier == 0.1
    assert copy.deepcopy(again).kernel.learning_rate_multiplier == 0.1


# ---- accumulation ----


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_batches_that_make_a_step_together_are_one_batch(kind):
    arguments = {
        "kernel_regularizer": regularizers.L1L2(0.01, 0.02),
        "kernel_constraint": "MaxNorm",
    }
    parts = network(optimizer=kind(0.05, gradient_accumulation_steps=4), **arguments)
    whole = network(optimizer=kind(0.05), **arguments)
    x, y = samples(whole, 64)
    parts.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    whole.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    assert parts.optimizer.iterations == whole.optimizer.iterations == 8
    # Keras holds weights to norms with each batch, and its 1e-7 shrinks them a little each time.
    for found, expected in zip(parts.weights, whole.weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert all(not v.numpy().any() for v in parts.optimizer.variables if "gradient_accum" in v.name)


def test_statistics_move_with_every_batch_and_weights_with_every_step():
    ug.random.seed(1)
    model = ug.Sequential(
        [layers.Input((4,)), layers.BatchNormalization(), layers.Dense(2, name="last")]
    )
    model.compile(optimizers.SGD(0.1, gradient_accumulation_steps=3), "mse")
    x, y = samples(model)
    kernel, mean = model.layers[1].kernel, model.layers[0].moving_mean
    for call in range(1, 7):
        before = kernel.numpy(), mean.numpy()
        model.train_on_batch(x + call, y)
        assert np.array_equal(kernel, before[0]) == (call % 3 != 0)
        assert not np.array_equal(mean, before[1])
        assert model.optimizer.iterations == call // 3
        assert model.optimizer.variables[0].numpy() == call


@pytest.mark.parametrize("how", ["save", "pickle"])
def test_a_model_saved_within_an_accumulation_goes_on_bit_for_bit(how, tmp_path):
    optimizer = optimizers.Adam(0.01, gradient_accumulation_steps=3, use_ema=True)
    model = network(
        "float32",
        optimizer=optimizer,
        kernel_regularizer=regularizers.L2(0.1),
        kernel_constraint=constraints.MaxNorm(0.5),
    )
    x, y = samples(model, 12)
    model.layers[1].learning_rate_multiplier = 0.5
    for _ in range(4):
        model.train_on_batch(x, y)
    assert any(v.numpy().any() for v in optimizer.variables if "gradient_accum" in v.name)
    if how == "save":
        model.save(tmp_path / "model.safetensors")
        again = ug.load_model(tmp_path / "model.safetensors")
    else:
        again = pickle.loads(pickle.dumps(model))
    for one in (model, again):
        for _ in range(4):
            one.train_on_batch(x, y)
    for found, expected in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert again.losses == model.losses


# ---- use ----


@pytest.mark.parametrize("made", [*REGULARIZERS, *CONSTRAINTS])
def test_configurations_make_the_same_again(made):
    module = constraints if isinstance(made, constraints.Constraint) else regularizers
    config = json.loads(json.dumps(module.serialize(made)))
    again = module.deserialize(config)
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()


def test_layers_take_names_and_configurations():
    layer = layers.Dense(
        3,
        kernel_regularizer="l1_l2",
        bias_regularizer={"class_name": "L1", "config": {"l1": 0.5}},
        kernel_constraint="MaxNorm",
        bias_constraint="non_neg",
    )
    assert layer.kernel_regularizer.get_config() == {"l1": 0.01, "l2": 0.01}
    assert layer.bias_regularizer.l1 == 0.5
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert again.get_config() == layer.get_config()
    assert regularizers.get(None) is constraints.get(None) is None
    config = layers.serialize(layers.Dense(2, kernel_regularizer=FourthPowers()))
    with pytest.raises(ValueError, match="FourthPowers"):
        layers.deserialize(config)
    own = layers.deserialize(config, {"FourthPowers": FourthPowers})
    assert isinstance(own.kernel_regularizer, FourthPowers)


def test_a_layer_of_ones_own_may_have_them():
    class Scale(layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight(
                (input_shape[-1],), "ones", regularizer="l2", constraint="unit_norm", name="factor"
            )

        def call(self, inputs):
            return inputs * self.factor.array

        def backward(self, upstream, inputs, outputs):
            return upstream * self.factor.array, [(upstream * inputs).sum(axis=0)]

    model = ug.Sequential([layers.Input((4,)), Scale(), layers.Dense(1)])
    model.compile(optimizers.SGD(0.01), "mse")
    assert model.losses == pytest.approx([0.04])
    model.train_on_batch(*samples(model))
    assert np.linalg.norm(model.weights[0].array) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: regularizers.L1(-1), ValueError, "l1 must be a finite number of at least 0"),
        (lambda: regularizers.L2(math.nan), ValueError, "l2 must be a finite number"),
        (lambda: regularizers.OrthogonalRegularizer(mode="row"), ValueError, "mode is 'row'"),
        (lambda: layers.Dense(1, kernel_regularizer="L1_L2_"), ValueError, "mean 'l1_l2'"),
        (lambda: layers.Dense(1, kernel_regularizer=0.1), TypeError, "expected a name or a Reg"),
        (lambda: layers.Dense(1, kernel_constraint="maxnorm"), ValueError, "mean 'max_norm'"),
        (
            lambda: layers.Dense(1, activity_regularizer="orthogonal_regularizer"),
            TypeError,
            "activity_regularizer is a OrthogonalRegularizer, expected L1, L2 or L1L2",
        ),
        (lambda: layers.ActivityRegularization(l2=-1), ValueError, "l2 must be a finite number"),
        (lambda: constraints.MaxNorm(-1), ValueError, "max_value must be at least 0"),
        (lambda: constraints.MinMaxNorm(2, 1), ValueError, "min_value is 2, but max_value is 1"),
        (lambda: constraints.MinMaxNorm(rate=2), ValueError, "rate must be between 0 and 1"),
        (lambda: constraints.UnitNorm([]), ValueError, "axis is empty"),
        (
            lambda: network(bias_regularizer="orthogonal_regularizer"),
            ValueError,
            r"OrthogonalRegularizer is for matrices, but first/bias has shape \(5,\)",
        ),
        (
            lambda: network(bias_constraint=constraints.MaxNorm(axis=1)).gradients(
                np.zeros((1, 6)), np.zeros((1, 3))
            ),
            ValueError,
            r"axis of MaxNorm is 1, but first/bias has shape \(5,\)",
        ),
        (
            lambda: optimizers.Adam(gradient_accumulation_steps=1),
            ValueError,
            "gradient_accumulation_steps must be an int of at least 2 or None",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_the_native_options_are_checked_too():
    w = [np.ones((2, 3, 4))]
    spec = optimizers.SGD().spec()

    def options(**given):
        return [_native.UpdateOptions(**given)]

    norm = _native.ConstraintKind.norm
    for given, message in (
        ({"rate": -1.0}, "rate must be finite and at least 0"),
        ({"penalty": _native.PenaltySpec(l1=-1.0)}, "l1 must be finite"),
        ({"penalty": _native.PenaltySpec(orthogonal=1.0)}, r"one of matrices.*\(2, 3, 4\)"),
        ({"constraint": _native.ConstraintSpec(norm, [3])}, "norm's axis is 3"),
        ({"constraint": _native.ConstraintSpec(norm, [0, 2])}, "must be neighbours"),
        ({"constraint": _native.ConstraintSpec(_native.ConstraintKind.custom)}, "needs a function"),
    ):
        with pytest.raises(ValueError, match=message):
            _native.float64.Optimizer(spec, w, options(**given))
