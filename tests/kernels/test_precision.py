"""How exact products of float32 are: what each precision promises, and who honours it."""

import threading

import numpy as np
import pytest
from variants import rerun_on_other_variants

import unitgain as ug
from unitgain.layers import Dense, Input

test_other_variants = rerun_on_other_variants(__file__)

PRECISIONS = ["highest", "high", "medium"]
# Of the magnitudes multiplied: what is promised beside the rounding of sums in float32.
# Beside its rounding, medium takes for zero what is no normal number.
LEAST = {"highest": 2.0**-149, "high": 2.0**-149, "medium": 3 * 2.0**-126}
ERRORS = {"highest": 0.0, "high": 4e-6, "medium": 2.0**-8 * 1.01}
SHAPES = [(1, 1, 1), (48, 48, 32), (100, 70, 33), (257, 129, 1501), (33, 300, 64), (5, 500, 200)]


def random(rng, rows, cols, transposed=False):
    shape = (cols, rows) if transposed else (rows, cols)
    array = rng.standard_normal(shape).astype(np.float32)
    return array.T if transposed else array


def check(a, b, result, precision):
    exact = a.astype(np.float64) @ b.astype(np.float64)
    magnitude = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    unit = (a.shape[1] + 2) * np.finfo(np.float32).eps / 2
    assert result.dtype == np.float32
    assert (np.abs(result - exact) <= (unit + ERRORS[precision]) * magnitude).all()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True)])
def test_products_are_as_exact_as_promised(precision, transposed):
    rng = np.random.default_rng(0)
    for m, n, k in SHAPES:
        a, b = random(rng, m, k, transposed[0]), random(rng, k, n, transposed[1])
        results = []
        for threads in (1, 2, 3):
            with ug.threads(threads):
                results.append(ug.matmul(a, b, precision=precision))
        check(a, b, results[0], precision)
        for other in results[1:]:
            np.testing.assert_array_equal(other, results[0])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_bias_activation_and_out_go_with_every_precision(precision):
    rng = np.random.default_rng(1)
    a, b, bias = random(rng, 90, 200), random(rng, 200, 77), random(rng, 1, 77)[0]
    plain = ug.matmul(a, b, precision=precision)
    expected = np.maximum(plain + bias, 0)
    out = np.empty((154, 90), np.float32).T[:, ::2]
    assert ug.matmul(a, b, out, bias=bias, activation="relu", precision=precision) is out
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "special", [np.inf, -np.inf, np.nan, 3.4e38, 1e-38, 1e-42, np.float32(2) ** -100, 0.0]
)
def test_no_value_is_beyond_any_precision(precision, special):
    rng = np.random.default_rng(2)
    a, b = random(rng, 100, 120), random(rng, 120, 80)
    a[3, 4], b[70, 7], a[40] = special, special, special
    b[:, 50] *= np.float32(1e-30)
    with np.errstate(all="ignore"):
        expected = a.astype(np.float64) @ b.astype(np.float64)
        overflow = np.abs(expected) > np.finfo(np.float32).max
        magnitude = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
        result = ug.matmul(a, b, precision=precision)
        slack = (122 * 2.0**-24 + ERRORS[precision]) * magnitude + 122 * LEAST[precision]
        regular = np.isfinite(expected) & ~overflow & (magnitude < 3e38)
        assert (np.abs(result - expected) <= slack)[regular].all()
        whole = ~np.isfinite(expected)
        np.testing.assert_array_equal(result[whole], expected[whole].astype(np.float32))


def test_scales_far_apart_keep_the_bound_of_highest():
    rng = np.random.default_rng(3)
    a, b = random(rng, 100, 120), random(rng, 120, 80)
    for x, y in [(1e-38, 1e37), (1e-20, 1e-20), (1e30, 1e-35), (1e-44, 1.0), (1e-22, 1e-22)]:
        scaled_a, scaled_b = a * np.float32(x), b * np.float32(y)
        exact = scaled_a.astype(np.float64) @ scaled_b.astype(np.float64)
        magnitude = np.abs(scaled_a).astype(np.float64) @ np.abs(scaled_b).astype(np.float64)
        result = ug.matmul(scaled_a, scaled_b)
        # A product or a sum that is denormal is off by half its spacing.
        assert (np.abs(result - exact) <= 122 * 2.0**-24 * magnitude + 122 * 2.0**-149).all()


def test_rms_error_of_highest_does_not_grow_with_the_depth():
    rng = np.random.default_rng(4)
    for k in (256, 1024, 4096):
        a, b = random(rng, 64, k), random(rng, k, 96)
        exact = a.astype(np.float64) @ b.astype(np.float64)
        error = ug.matmul(a, b) - exact
        assert np.sqrt(np.mean(error**2)) < 2.6e-7 * np.sqrt(np.mean(exact**2))


def test_float64_does_not_depend_on_the_precision():
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((100, 200)), rng.standard_normal((200, 100))
    np.testing.assert_array_equal(ug.matmul(a, b, precision="medium"), ug.matmul(a, b))


def test_the_precision_in_force_is_set_read_and_restored():
    assert ug.get_float32_matmul_precision() == "highest"
    ug.set_float32_matmul_precision("high")
    assert ug.get_float32_matmul_precision() == "high"
    with ug.float32_matmul_precision("medium") as nothing:
        assert nothing is None
        assert ug.get_float32_matmul_precision() == "medium"
        with ug.float32_matmul_precision("highest"):
            assert ug.get_float32_matmul_precision() == "highest"
        assert ug.get_float32_matmul_precision() == "medium"
    with pytest.raises(RuntimeError), ug.float32_matmul_precision("highest"):
        raise RuntimeError
    assert ug.get_float32_matmul_precision() == "high"


def test_a_block_sets_its_own_thread_alone():
    seen = []
    with ug.float32_matmul_precision("medium"):
        other = threading.Thread(target=lambda: seen.append(ug.get_float32_matmul_precision()))
        other.start()
        other.join()
    assert seen == ["highest"]


def test_an_unknown_precision_is_refused():
    for call in (
        lambda: ug.set_float32_matmul_precision("best"),
        lambda: ug.float32_matmul_precision("best"),
        lambda: ug.matmul(np.eye(2, dtype=np.float32), np.eye(2), precision="best"),
        lambda: ug.ops.PackedMatrix(np.eye(2), precision="best"),
    ):
        with pytest.raises((ValueError, TypeError), match=r"'best', expected highest|has dtype"):
            call()
    assert ug.get_float32_matmul_precision() == "highest"


def test_the_configuration_says_the_precision(capsys):
    with ug.float32_matmul_precision("high"):
        ug.show_config()
    assert "precision of float32 products: high" in capsys.readouterr().out


def test_the_precision_in_force_is_that_of_products_layers_and_training():
    rng = np.random.default_rng(6)
    x, y = random(rng, 96, 128), rng.standard_normal((96, 64)).astype(np.float32)
    model = ug.Sequential([Input((128,)), Dense(80, "tanh"), Dense(64)])
    model.compile("sgd", "mse")
    exact_outputs, exact_gradients = model.predict(x), model.gradients(x, y)[1]
    for precision in PRECISIONS:
        with ug.float32_matmul_precision(precision):
            np.testing.assert_array_equal(ug.matmul(x, x.T), ug.matmul(x, x.T, precision=precision))
            outputs, gradients = model.predict(x), model.gradients(x, y)[1]
        error = max(ERRORS[precision], 1e-7)
        assert np.abs(outputs - exact_outputs).max() <= 40 * error
        for one, other in zip(gradients, exact_gradients, strict=True):
            assert np.abs(one - other).max() <= 40 * error
