"""The machine's best rates are measured on every variant."""

import math

import pytest
from variants import rerun_on_other_variants

from unitgain import _native


@pytest.mark.parametrize("threads", [1, 2])
def test_rates_are_there_for_what_the_variant_can_run(threads):
    rates = _native.peak_rates(threads)
    assert {"float32", "float64"} <= set(rates)
    assert all(math.isfinite(rate) and rate > 0 for rate in rates.values())
    variant = _native.active_variant()
    assert ("amx_bf16" in rates) == (variant == "amx")
    assert "avx512_bf16" not in rates or variant in ("avx512", "amx")
    assert "avx512_bf16" in rates or variant != "amx"


@pytest.mark.parametrize("size", [1024, 5000, 1 << 20])
def test_reading_has_a_rate(size):
    rate = _native.read_rate(size, 2)
    assert math.isfinite(rate)
    assert rate > 0


def test_refusals_name_the_argument():
    with pytest.raises(ValueError, match="threads must be at least 1, but it is 0"):
        _native.peak_rates(0)
    with pytest.raises(ValueError, match="threads must be at least 1, but it is -2"):
        _native.read_rate(1 << 20, -2)
    with pytest.raises(ValueError, match="bytes must be at least 512 for each of 2 threads"):
        _native.read_rate(1023, 2)


test_other_variants = rerun_on_other_variants(__file__)
