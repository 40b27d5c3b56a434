"""The benchmarks' products are everyone's same one, with true errors, beside measured peaks."""

import numpy as np
import pytest

from unitgain import _native
from unitgain.benchmarks import matmul, peaks, products
from unitgain.benchmarks.case import REFERENCE, difference, errors


@pytest.mark.parametrize("library", ["PyTorch", "JAX"])
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"dtype": np.float64},
        {"reuse": False},
        {"transposed_a": True},
        {"transposed_b": True},
        {"gelu": True},
        {"precision": "medium", "packed": True},
    ],
)
def test_peers_multiply_what_numpy_multiplies(library, form):
    pytest.importorskip({"PyTorch": "torch", "JAX": "jax"}[library])
    trial = products.trial(products.Product(5, 70, 3, **form))
    expected = trial.contenders[REFERENCE]().result()
    assert expected.shape == (5, 3)
    assert difference(trial.contenders[library]().result(), expected) <= trial.tolerance


def test_transposed_operands_are_views():
    transposed = products.Product(5, 7, 3, transposed_a=True, transposed_b=True)
    plain = products._operands(products.Product(5, 7, 3))
    operands = products._operands(transposed)
    assert operands.a.flags.f_contiguous
    assert operands.b.flags.f_contiguous
    np.testing.assert_array_equal(operands.a, plain.a)
    np.testing.assert_array_equal(operands.b, plain.b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_errors_are_those_from_a_longer_type(dtype):
    if dtype == np.float64 and np.finfo(np.longdouble).eps == np.finfo(np.float64).eps:
        pytest.skip("no longer type than float64")
    product = products.Product(20, 50, 30, dtype=dtype)
    trial = products.trial(product)
    operands, exact = products._operands(product), trial.exact()
    wide = np.einsum("ik,kj->ij", *(x.astype(np.longdouble) for x in (operands.a, operands.b)))
    epsilon = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(exact.values, wide[exact.rows], rtol=0, atol=1e-3 * epsilon)
    largest, root_mean_square = errors(trial.contenders[REFERENCE]().result(), exact)
    assert 0 < root_mean_square < largest * 10 < 100 * epsilon


def test_random_shapes_span_the_range_and_stay_the_same():
    sizes = [case.name.rpartition("/")[2] for case in matmul.cases() if "/random/" in case.name]
    assert len(set(sizes)) == matmul.RANDOM_SHAPES
    dimensions = np.array([[int(d) for d in size.split("x")] for size in sizes])
    assert 1 <= dimensions.min() <= 3
    assert 2000 < dimensions.max() <= matmul.RANDOM_LARGEST
    # The logarithms are uniform: of 600, the median strays by 0.02 of the range.
    median = np.median(np.log(dimensions)) / np.log(matmul.RANDOM_LARGEST)
    assert median == pytest.approx(0.5, abs=0.06)
    again = [case.name.rpartition("/")[2] for case in matmul.cases() if "/random/" in case.name]
    assert again == sizes


def test_peaks_are_measured_for_what_can_run():
    rates = peaks.rates()
    assert {"float32", "float64"} <= set(rates) <= {"float32", "float64", "avx512_bf16", "amx_bf16"}
    assert all(rate > 0 for rate in rates.values())
    assert ("amx_bf16" in rates) == (_native.active_variant() == "amx")
    assert set(peaks.read_rates()) == {"L2", "L3", "memory"}
    assert all(rate > 0 for rate in peaks.read_rates().values())
    assert peaks.rates() is rates  # measured once


def test_the_fastest_unit_for_bfloat16_is_the_peak():
    assert peaks.bfloat16_unit({"float32": 5.0}) is None
    assert peaks.bfloat16_unit({"float32": 5.0, "avx512_bf16": 2.0}) == "avx512_bf16"
    assert peaks.bfloat16_unit({"avx512_bf16": 2.0, "amx_bf16": 3.0}) == "amx_bf16"
