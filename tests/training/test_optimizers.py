"""Optimizers on NumPy arrays: against Keras's stored trajectories and formulas in NumPy."""

import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from reference.optimizer_cases import CASES, DTYPES, START, STOPS, gradients
from unitgain import _native, optimizers
from unitgain.benchmarks.optimizer_formulas import Rule

test_other_variants = rerun_on_other_variants(__file__)

KERAS = np.load(Path(__file__).parents[1] / "reference" / "optimizers.npz")
OF_ROWS = {name: type(optimizers.get(name)) for name in _native.optimizer_names}
CLASSES = [*OF_ROWS.values(), optimizers.AdamW]
BY_NORM = (optimizers.Lamb, optimizers.Adafactor)  # a step depends on the whole array


def flat(arrays):
    return np.concatenate([np.asarray(a).ravel() for a in arrays])


# ---- Keras ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_trajectories_are_keras_s(name, dtype):
    kind, arguments = CASES[name]
    optimizer = getattr(optimizers, kind)(**arguments)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    variables = [
        ug.layers.Variable(n, value.astype(dtype), True, dtype) for n, value in START.items()
    ]
    found = []
    for step in range(max(STOPS)):
        optimizer.apply([g.astype(dtype) for g in gradients(step)], variables)
        if step + 1 in STOPS:
            found.append(flat(variables))
    optimizer.finalize_variable_values(variables)
    found.append(flat(variables))
    expected = KERAS[f"{name}/{dtype}"]
    # In float32 Keras rounds beta to a float before it takes 1 - beta^t, a relative error of 3e-5
    # in Adam's first steps. Its norms are those of float32 in float64 too (with PyTorch): those
    # cases are checked to float64's precision below, against formulas.
    moved = max(1.0, np.abs(expected[-2] - flat(START.values())).max())
    has_norm = kind == "Muon" or "clipnorm" in arguments or "global_clipnorm" in arguments
    bound = 6e-5 if dtype == "float32" else 2e-8 if has_norm else 1e-11
    if kind == "Adafactor" and dtype == "float64":
        bound = 1e-7  # its constants are float32 numbers there; the formulas below are exact
    bound *= 5 if dtype == "float32" and kind == "Muon" else 1  # Newton-Schulz magnifies roundings
    np.testing.assert_allclose(np.stack(found), expected, rtol=0, atol=bound * moved)
    assert optimizer.iterations == max(STOPS)


# ---- the papers' formulas ----


FORMULAS = {
    **{name: partial(kind, 0.02) for name, kind in OF_ROWS.items()},
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9),
    "nesterov": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsprop all": lambda: optimizers.RMSprop(0.01, 0.8, 0.5, 1e-3, centered=True),
    "rmsprop centered": lambda: optimizers.RMSprop(0.01, epsilon=1e-3, centered=True),
    "rmsprop momentum": lambda: optimizers.RMSprop(0.01, momentum=0.9),
    "amsgrad": lambda: optimizers.Adam(0.01, beta_2=0.9, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.01, 0.3),
    "muon heavy": lambda: optimizers.Muon(0.01, nesterov=False, ns_steps=2),
    "lamb decay": lambda: optimizers.Lamb(0.01, weight_decay=0.3),
    "ftrl all": lambda: optimizers.Ftrl(0.2, -0.3, 0.4, 0.2, 0.1, 0.05, 0.3),
    "adafactor all": lambda: optimizers.Adafactor(0.5, -0.5, 1e-4, 0.7, 0.3, weight_decay=0.2),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (3, 17), (33, 33)])
@pytest.mark.parametrize("name", FORMULAS)
def test_rules_follow_their_formulas(name, shape, dtype):
    optimizer = FORMULAS[name]()
    rule = Rule(optimizer)
    rng = np.random.default_rng(1)
    w = rng.standard_normal(shape).astype(dtype)
    expected = w.astype(np.float64)
    for t in range(1, 21):
        g = rng.standard_normal(shape).astype(dtype)
        optimizer.apply([g], [w])
        expected = rule.step(expected, g.astype(np.float64), t)
    # Newton-Schulz multiplies small singular values, and their rounding errors, by up to 3.4^5.
    bound = 20_000 if "muon" in name else 400
    np.testing.assert_allclose(w, expected, rtol=0, atol=bound * np.finfo(dtype).eps)


@pytest.mark.parametrize("shape", [(), (6,), (3, 4, 5), (2, 1, 3, 70)])
@pytest.mark.parametrize("name", ["lamb decay", "adafactor", "adafactor all"])
def test_rules_by_norm_follow_their_formulas_on_arrays_of_any_rank(name, shape):
    optimizer = FORMULAS[name]()
    rule = Rule(optimizer)
    rng = np.random.default_rng(1)
    w = np.array(rng.standard_normal(shape))
    expected = w.copy()
    for t in range(1, 6):
        g = np.array(rng.standard_normal(shape))
        optimizer.apply([g], [w])
        expected = rule.step(expected, g, t)
    np.testing.assert_allclose(w, expected, rtol=1e-12)


def test_lamb_steps_from_zero_and_without_a_gradient():
    zero, still = np.zeros(3), np.ones(3)
    optimizer = optimizers.Lamb(0.1)
    optimizer.apply([np.ones(3), np.zeros(3)], [zero, still])
    np.testing.assert_allclose(zero, -0.1, rtol=1e-6)  # a ratio of 1
    np.testing.assert_array_equal(still, 1)


def test_ftrl_makes_weights_exactly_zero():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((400, 30))
    y = x[:, :3] @ [2.0, -1.0, 1.5]
    w = np.zeros(30)
    optimizer = optimizers.Ftrl(0.5, l1_regularization_strength=20.0)
    for i in range(0, 400, 4):
        batch = slice(i, i + 4)
        optimizer.apply([x[batch].T @ (x[batch] @ w - y[batch]) / 4], [w])
    assert np.count_nonzero(w) < 15
    assert (np.abs(w[:3]) > 0.1).all()
    # From nothing and with no gradient there is nothing to divide.
    idle = np.zeros(2)
    optimizers.Ftrl(0.1, initial_accumulator_value=0.0).apply([np.zeros(2)], [idle])
    np.testing.assert_array_equal(idle, 0)


def test_adafactor_keeps_the_moments_of_rows_and_columns():
    w, bias = np.ones((2, 3, 4)), np.ones(5)
    optimizer = optimizers.Adafactor()
    optimizer.apply([w / 2, bias], [w, bias])
    kept = {v.name: v.shape for v in optimizer.variables[2:]}
    assert kept == {
        "variable_0_row_moments": (2, 3),
        "variable_0_column_moments": (2, 4),
        "variable_1_velocity": (5,),
    }


def test_adafactor_of_rows_and_columns_without_gradients_stands_still_there():
    g = np.random.default_rng(5).standard_normal((4, 3)).astype(np.float32)
    g[1], g[:, 2] = 0, 0
    w = np.ones((4, 3), np.float32)
    for _ in range(3):
        optimizers.Adafactor(0.1).apply([g], [w])
    assert np.array_equal(w == 1, g == 0)
    assert np.isfinite(w).all()


# ---- a scaled loss ----


def test_a_scaled_loss_makes_the_steps_of_the_inner_optimizer():
    rng = np.random.default_rng(7)
    plain, scaled = np.ones((4, 3), np.float32), np.ones((4, 3), np.float32)
    inner = optimizers.Nadam(0.02, global_clipnorm=1.0)
    optimizer = optimizers.LossScaleOptimizer(optimizers.Nadam(0.02, global_clipnorm=1.0), 8.0, 3)
    scales = []
    for step in range(12):
        g = rng.standard_normal((4, 3)).astype(np.float32)
        if step in (2, 9):
            before = scaled.copy()
            g[1, 2] = np.nan if step == 2 else np.inf
            optimizer.apply([g], [scaled])
            np.testing.assert_array_equal(scaled, before)
        else:
            inner.apply([g], [plain])
            optimizer.apply([optimizer.scale_loss(g)], [scaled])
        scales.append(optimizer.dynamic_scale)
        np.testing.assert_array_equal(scaled, plain)
    # Halved by each step left out, doubled by each three that are not.
    assert scales == [8, 8, 4, 4, 4, 8, 8, 8, 16, 8, 8, 8]
    assert optimizer.iterations == inner.iterations == 10
    assert optimizer.inner_optimizer.iterations == 10
    optimizer.learning_rate = 0.5
    assert optimizer.inner_optimizer.learning_rate == 0.5


def test_a_scaled_loss_is_kept_with_its_scale():
    w = np.ones(3)
    optimizer = optimizers.LossScaleOptimizer(optimizers.Adam(0.1), 4.0)
    optimizer.apply([np.full(3, np.nan)], [w])
    optimizer.apply([np.ones(3)], [w])
    store = {}
    optimizer.save_own_variables(store)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(again.inner_optimizer) is optimizers.Adam
    again.build([w])
    again.load_own_variables(store)
    assert (again.dynamic_scale, again.iterations) == (2.0, 1)
    assert [v.name for v in again.variables[-2:]] == ["step_counter", "dynamic_scale"]
    assert again.variables[-2].numpy() == 1


def test_fit_leaves_out_batches_whose_gradients_are_not_finite(tmp_path):
    x, y = small_data()
    bad = x.copy()
    bad[5] = np.nan

    def trained(x, y, **options):
        ug.random.seed(8)
        optimizer = optimizers.LossScaleOptimizer(optimizers.Adam(0.05, **options))
        model = small(optimizer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the NaN
            model.fit(x, y, batch_size=2, epochs=3, shuffle=False, verbose=0)
        return model

    model = trained(bad, y)
    good = np.delete(np.arange(8), [4, 5])
    expected = trained(x[good], y[good])
    for mine, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert model.optimizer.iterations == 9
    assert model.optimizer.dynamic_scale == 2.0**12
    accumulating = trained(bad, y, gradient_accumulation_steps=2)
    assert all(np.isfinite(w).all() for w in accumulating.get_weights())
    assert accumulating.optimizer.iterations == 3
    model.save(tmp_path / "m.safetensors")
    loaded = ug.load_model(tmp_path / "m.safetensors")
    assert loaded.optimizer.iterations == 9
    loaded.fit(x, y, verbose=0)
    assert loaded.optimizer.dynamic_scale == 2.0**12


def test_what_is_no_scaled_loss_is_refused():
    scaled = optimizers.LossScaleOptimizer(optimizers.SGD())
    with pytest.raises(TypeError, match="inner_optimizer"):
        optimizers.LossScaleOptimizer(scaled)
    with pytest.raises(ValueError, match="initial_scale must be greater than 0"):
        optimizers.LossScaleOptimizer("sgd", 0.0)
    with pytest.raises(ValueError, match="dynamic_growth_steps"):
        optimizers.LossScaleOptimizer("sgd", dynamic_growth_steps=0)


# ---- what surrounds the rules ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", CLASSES)
def test_weight_decay_of_0_and_wide_limits_change_no_bit(kind, dtype):
    rng = np.random.default_rng(2)
    shapes = [(9, 5), (17,), (0,), (3, 1)]
    start = [rng.standard_normal(s).astype(dtype) for s in shapes]
    results = []
    off = {"weight_decay": 0.0}
    if kind is optimizers.Muon:
        off["adam_weight_decay"] = 0.0
    limits = ({}, {"clipnorm": 1e9}, {"global_clipnorm": 1e9}, {"clipvalue": 1e9}, {"clipnorm": 0})
    for options in limits:
        ws = [w.copy() for w in start]
        optimizer = kind(**off, **options)
        for step in range(5):
            grads = [np.random.default_rng((step, i)).standard_normal(s).astype(dtype)
                     for i, s in enumerate(shapes)]  # fmt: skip
            optimizer.apply(grads, ws)
        results.append(flat(ws))
    assert not np.array_equal(results[0], flat(start))
    for result in results[1:]:
        assert np.array_equal(result, results[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm", "clipvalue", None])
@pytest.mark.parametrize("kind", CLASSES)
def test_steps_are_bitwise_equal_for_any_number_of_threads(kind, clip, dtype):
    rng = np.random.default_rng(3)
    shapes = [(70, 33), (1,), (4097,), (0,), (31, 257), (5,)]
    start = [rng.standard_normal(s).astype(dtype) for s in shapes]
    grads = [rng.standard_normal(s).astype(dtype) for s in shapes]
    options = {"use_ema": True, "ema_overwrite_frequency": 2, "weight_decay": 0.1}
    if clip:
        options[clip] = 0.7
    spec = kind(**options).spec()
    results = []
    for threads in (1, 2, 3, 5):
        ws = [w.copy() for w in start]
        native = getattr(_native, dtype).Optimizer(spec, ws)
        for _ in range(3):
            native.apply(grads, threads)
        results.append([*ws, *(array for values in native.state() for _, array in values)])
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(result, results[0], strict=True))


@pytest.mark.parametrize("size", [0, 1, 17, 4095, 4096, 4097, 100_003])
@pytest.mark.parametrize(("dtype", "scale"), [
    ("float32", 1), ("float32", 1e30), ("float32", 1e-30), ("float64", 1), ("float64", 1e200),
    ("float64", 1e-200), ("float64", 1e300),
])  # fmt: skip
@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm"])
def test_norms_neither_overflow_nor_lose_digits(clip, dtype, scale, size):
    g = (np.random.default_rng(4).standard_normal(size) * scale).astype(dtype)
    norm = np.sqrt(np.sum((g.astype(np.longdouble) / scale) ** 2)) * scale
    w = np.zeros(size, dtype)
    limit = float(norm) / 4 if norm > 0 else 1.0
    optimizers.SGD(1.0, **{clip: limit}).apply([g, np.zeros(3, dtype)], [w, np.zeros(3, dtype)])
    np.testing.assert_allclose(w, -g / 4, rtol=4 * np.finfo(dtype).eps, atol=0)


def test_a_limit_far_below_the_norm_is_kept():
    g = np.full(10_000, 1e38, np.float32)
    w = np.zeros_like(g)
    optimizers.SGD(1.0, clipnorm=1.0).apply([g], [w])
    np.testing.assert_allclose(w, -0.01, rtol=1e-6)


@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_zero_gradients_pass_the_limits(clip):
    w = np.ones(5, np.float32)
    optimizers.SGD(1.0, **{clip: 1.0}).apply([np.zeros(5, np.float32)], [w])
    assert np.array_equal(w, np.ones(5))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("clip", [None, "clipvalue"])
def test_a_nan_reaches_its_weight_and_no_other(kind, clip, dtype):
    w, other = np.ones(37, dtype), np.ones(37, dtype)
    g = np.linspace(-1, 1, 37).astype(dtype)
    options = {clip: 0.5} if clip else {}
    one, two = kind(**options), kind(**options)
    one.apply([g], [other])
    g[20] = np.nan
    two.apply([g], [w])
    assert np.isnan(w[20])
    if kind in BY_NORM:
        return
    assert np.array_equal(np.delete(w, 20), np.delete(other, 20))


@pytest.mark.parametrize(
    ("clip", "bad", "same", "other"),
    [  # what Keras's arithmetic makes of the array's other values, and of another array's
        ("clipnorm", np.nan, np.nan, -1.0),
        ("clipnorm", np.inf, 0.0, -1.0),
        ("global_clipnorm", np.nan, np.nan, np.nan),
        ("global_clipnorm", np.inf, np.nan, np.nan),
        ("clipvalue", np.inf, -1.0, -1.0),
    ],
)
def test_limits_hide_nothing_that_is_not_finite(clip, bad, same, other):
    first, second = np.zeros(3, np.float32), np.zeros(1, np.float32)
    grads = [np.array([1, bad, 1], np.float32), np.ones(1, np.float32)]
    optimizers.SGD(1.0, **{clip: 5.0}).apply(grads, [first, second])
    np.testing.assert_array_equal(first[[0, 2]], np.float32([same, same]))
    np.testing.assert_array_equal(second, np.float32([other]))
    assert first[1] == -5 if clip == "clipvalue" else np.isnan(first[1])


# ---- use ----


def test_names_are_found_in_any_case():
    for kind in CLASSES:
        for name in (kind.__name__, kind.__name__.lower(), kind.__name__.upper()):
            assert type(optimizers.get(name)) is kind
    with pytest.raises(ValueError, match="did you mean 'rmsprop'"):
        optimizers.get("rmspropp")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0), "only one of clipnorm"),
        (lambda: optimizers.SGD(clipnorm=-1.0), "clipnorm must be at least 0"),
        (lambda: optimizers.SGD(float("nan")), "learning_rate must be at least 0"),
        (lambda: optimizers.Adam(weight_decay=-0.1), "weight_decay must be"),
        (lambda: optimizers.AdamW(weight_decay=None), "weight_decay must be"),
        (lambda: optimizers.Adam(use_ema=True, ema_momentum=1.5), "ema_momentum must be between"),
        (lambda: optimizers.Adam(use_ema=True, ema_overwrite_frequency=0), "ema_overwrite"),
        (lambda: optimizers.RMSprop(rho=1.5), "rho must be between 0 and 1"),
        (lambda: optimizers.Lion(beta_1=0.0), "beta_1 must be greater than 0 and at most 1"),
        (lambda: optimizers.Nadam(beta_2=1.0), "beta_2 must be at least 0 and less than 1"),
        (lambda: optimizers.Adagrad(initial_accumulator_value=-1), "initial_accumulator_value"),
        (lambda: optimizers.Muon(ns_steps=-1), "ns_steps must be"),
        (lambda: optimizers.Ftrl(learning_rate_power=0.5), "learning_rate_power must be at most 0"),
        (lambda: optimizers.Ftrl(beta=-1.0), "beta must be at least 0"),
        (lambda: optimizers.Adafactor(beta_2_decay=0.1), "beta_2_decay must be at most 0"),
        (lambda: optimizers.Adafactor(clip_threshold=0.0), "clip_threshold must be greater"),
    ],
)
def test_settings_outside_their_ranges_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("grads", "variables", "error", "message"),
    [
        ([zeros(3)], [zeros(4)], ValueError, r"gradient 0 has shape \(3,\), .* has \(4,\)"),
        ([zeros(3, dtype=np.int64)], [zeros(3)], TypeError, "gradient 0 has dtype int64"),
        ([zeros(3, dtype=complex)], [zeros(3)], TypeError, "gradient 0 has dtype complex128"),
        ([zeros(3)], [zeros(3, dtype=np.int32)], TypeError, "variable 0 has dtype int32"),
        ([zeros(3)] * 2, [zeros(3), zeros(3, dtype=float)], TypeError, "variable 1 has dtype"),
        ([zeros(3)], [[0.0] * 3], TypeError, "variable 0 is of type list"),
        ([[0.0] * 3], [zeros(3)], TypeError, "gradient 0 is of type list"),
        ([zeros(3, 4)], [zeros(4, 3).T], ValueError, "variable 0 .* is not C-contiguous"),
        ([zeros(4, 3).T], [zeros(3, 4)], ValueError, "gradient 0 .* is not C-contiguous"),
        ([zeros(3)], [zeros(3), zeros(3)], ValueError, "1 gradients for 2 variables"),
        ([None], [zeros(3)], ValueError, "no gradient for any"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(grads, variables, error, message):
    with pytest.raises(error, match=message):
        optimizers.Adam().apply(grads, variables)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("variable", [np.float32, np.float64])
def test_gradients_of_another_floating_point_dtype_are_cast(variable, dtype):
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(size).astype(variable) for size in ((4, 3), 3)]
    same = [w.copy() for w in weights]
    gradients = [rng.standard_normal(w.shape).astype(dtype) for w in weights]
    cast, plain = optimizers.Adam(0.1), optimizers.Adam(0.1)
    for _ in range(3):
        cast.apply(gradients, weights)
        plain.apply([g.astype(variable) for g in gradients], same)
    for one, other in zip(weights, same, strict=True):
        assert one.dtype == variable
        np.testing.assert_array_equal(one, other)
    with pytest.warns(UserWarning, match="no gradient for"):
        cast.apply([None, gradients[1]], weights)
    with pytest.raises(TypeError, match="gradient 1 has dtype int64"):
        cast.apply([gradients[0], np.zeros(3, int)], weights)
    np.testing.assert_array_equal(weights[0], same[0])


def test_read_only_and_repeated_variables_are_refused():
    w = zeros(3)
    with pytest.raises(ValueError, match="a variable comes twice"):
        optimizers.Adam().apply([w, w], [w, w])
    optimizer = optimizers.Adam()
    optimizer.apply([w.copy()], [w])
    w.flags.writeable = False
    with pytest.raises(ValueError, match="variable 0 is read-only"):
        optimizer.apply([zeros(3)], [w])
    with pytest.raises(ValueError, match="not one of those"):
        optimizer.apply([zeros(3)], [zeros(3)])
    with pytest.raises(ValueError, match="before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_list=[w])
    with pytest.raises(ValueError, match="pass trainable_variables"):
        optimizers.Adam().apply([zeros(3)])


def test_some_of_the_variables_may_be_given_and_in_any_order():
    a, b = np.ones(3), np.ones(4)
    optimizer = optimizers.SGD(1.0)
    optimizer.build([a, b])
    optimizer.apply([np.full(4, 2.0), np.full(3, 3.0)], [b, a])
    assert (a == -2).all()
    assert (b == -1).all()
    optimizer.apply([np.full(4, 1.0)], [b])
    assert (a == -2).all()
    assert (b == -2).all()
    with pytest.warns(UserWarning, match="no gradient for 1"):
        optimizer.apply([np.ones(3), None])
    assert (a == -3).all()
    assert optimizer.apply_gradients([(np.ones(3), a)]) == 4


def test_excluded_variables_keep_what_decay_takes():
    for arguments in ({"var_list": [0]}, {"var_names": ["bi.s"]}):
        kernel = ug.layers.Variable("dense/kernel", np.ones((2, 2)), True)
        bias = ug.layers.Variable("dense/bias", np.ones(2), True)
        optimizer = optimizers.SGD(1.0, weight_decay=0.5)
        if "var_list" in arguments:
            arguments = {"var_list": [bias]}
        optimizer.exclude_from_weight_decay(**arguments)
        optimizer.apply([np.zeros((2, 2), np.float32), np.zeros(2, np.float32)], [kernel, bias])
        assert (kernel.array == 0.5).all()
        assert (bias.array == 1).all()


@pytest.mark.parametrize("kind", CLASSES)
def test_a_restored_optimizer_goes_on_where_it_was(kind):
    rng = np.random.default_rng(5)
    grads = [[rng.standard_normal((6, 4)), rng.standard_normal(4)] for _ in range(8)]
    straight = [np.ones((6, 4)), np.ones(4)]
    options = {"learning_rate": 0.03, "use_ema": True}
    optimizer = kind(**options)
    for g in grads:
        optimizer.apply(g, straight)
    first, second = kind(**options), kind.from_config(kind(**options).get_config())
    parted = [np.ones((6, 4)), np.ones(4)]
    for g in grads[:5]:
        first.apply(g, parted)
    store = {}
    first.save_own_variables(store)
    second.build(parted)
    second.load_own_variables(store)
    for g in grads[5:]:
        second.apply(g, parted)
    assert second.iterations == 8
    for a, b in zip(straight, parted, strict=True):
        np.testing.assert_array_equal(a, b)
    names = [variable.name for variable in second.variables]
    assert names[:3] == ["iteration", "learning_rate", "variable_0_average"]
    with pytest.raises(ValueError, match="arrays for"):
        second.set_weights([0])


def test_fit_ends_with_the_averages():
    (x, y), _ = ug.datasets.load_digits()

    def trained(**options):
        ug.random.seed(1)
        model = ug.Sequential([ug.layers.Input((64,)), ug.layers.Dense(10)])
        loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizers.SGD(0.1, **options), loss)
        before = model.get_weights()
        model.fit(x[:64], y[:64], batch_size=64, epochs=2, shuffle=False, verbose=0)
        return before, model

    _, plain = trained()
    _, averaged = trained(use_ema=True, ema_momentum=0.5)
    states = {v.name.split("/")[1]: v.numpy() for v in averaged.optimizer.variables[2:]}
    assert np.array_equal(averaged.get_weights()[0], states["kernel_average"])
    assert not np.array_equal(averaged.get_weights()[0], plain.get_weights()[0])


@pytest.mark.parametrize("kind", CLASSES)
def test_digits_are_learned(kind):
    (x, y), (x_test, y_test) = ug.datasets.load_digits()
    rates = {
        "SGD": 0.1, "Adagrad": 0.05, "Adadelta": 1.0, "Lion": 1e-3, "Muon": 0.02, "Ftrl": 0.2,
        "Lamb": 0.02, "Adafactor": 0.1,
    }  # fmt: skip
    ug.random.seed(3)
    model = ug.Sequential(
        [ug.layers.Input((64,)), ug.layers.Dense(48, activation="relu"), ug.layers.Dense(10)]
    )
    loss = ug.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(kind(rates.get(kind.__name__, 0.005)), loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=6, verbose=0)
    assert model.evaluate(x_test, y_test)[1] > 0.85


# ---- one optimizer, one model ----


def small(optimizer, name=None):
    model = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(2)], name=name)
    model.compile(optimizer, "mse")
    return model


def small_data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((8, 3)).astype(np.float32), rng.standard_normal((8, 2))


@pytest.mark.parametrize("train", ["fit", "train_on_batch"])
def test_an_optimizer_that_has_trained_a_model_trains_no_other(train):
    x, y = small_data()
    optimizer = optimizers.Adam(0.1, name="shared")
    first, second = small(optimizer), small(optimizer, name="second")
    getattr(first, train)(x, y)
    before = second.get_weights()
    with pytest.raises(
        ValueError, match=r"second cannot be trained with shared.*Adam\.from_config"
    ):
        getattr(second, train)(x, y)
    for mine, expected in zip(second.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, expected)
    second.evaluate(x, y)  # needs no optimizer
    getattr(first, train)(x, y)
    assert optimizer.iterations == 2
    again = small(optimizer)
    with pytest.raises(ValueError, match="has trained other variables"):
        again.fit(x, y, verbose=0)


def test_an_optimizer_without_steps_goes_to_the_model_that_is_trained():
    x, y = small_data()
    optimizer = optimizers.SGD(0.1, momentum=0.9)
    first, second = small(optimizer), small(optimizer)
    first.predict(x)
    second.predict(x)
    first.fit(x, y, verbose=0)
    slots = [v.name for v in optimizer.variables[2:]]
    assert slots == [f"{w.name}_momentum" for w in first.weights]
    optimizer.learning_rate = 0.5
    first.fit(x, y, verbose=0)
    assert optimizer.iterations == 2


def test_the_optimizer_of_a_model_follows_its_trainable_weights():
    x, y = small_data()
    optimizer = optimizers.Adam(0.1)
    model = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(4), ug.layers.Dense(2)])
    model.compile(optimizer, "mse")
    for layer, other in (model.layers, model.layers[::-1]):
        layer.trainable, other.trainable = False, True
        model.compile(optimizer, "mse")
        model.fit(x, y, verbose=0)
        assert optimizer.iterations == 1


def test_a_model_is_saved_without_the_state_that_its_optimizer_has_of_another(tmp_path):
    x, y = small_data()
    optimizer = optimizers.Adam(0.1)
    first, second = small(optimizer), small(optimizer)
    first.fit(x, y, epochs=3, verbose=0)
    for model, steps in ((first, 3), (second, 0)):
        model.save(tmp_path / "m.safetensors")
        loaded = ug.load_model(tmp_path / "m.safetensors")
        assert loaded.optimizer.iterations == steps
        loaded.fit(x, y, verbose=0)
        assert loaded.optimizer.iterations == steps + 1


def test_a_model_compiled_without_a_loss_is_saved_and_loaded(tmp_path):
    x, _ = small_data()
    model = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(2)])
    model.compile("adam")
    expected = model.predict(x)
    model.save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(ug.load_model(tmp_path / "m.safetensors").predict(x), expected)


def test_an_optimizer_that_stepped_by_itself_trains_the_model_of_its_variables_alone():
    x, y = small_data()
    model = ug.Sequential([ug.layers.Input((3,)), ug.layers.Dense(2)])
    optimizer = optimizers.SGD(0.1)
    optimizer.apply([np.ones(w.shape, w.dtype) for w in model.weights], model.trainable_weights)
    small(optimizers.SGD(0.1)).fit(x, y, verbose=0)
    with pytest.raises(ValueError, match="has trained other variables"):
        small(optimizer).fit(x, y, verbose=0)
    model.compile(optimizer, "mse")
    model.fit(x, y, verbose=0)
