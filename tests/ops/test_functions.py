"""Functions of single elements, as networks run them, against NumPy in a longer type."""

import numpy as np
import pytest
from variants import rerun_on_other_variants

from unitgain import layers, ops

test_other_variants = rerun_on_other_variants(__file__)


def everywhere(dtype, count=20_000):
    """Return positive numbers of all sizes, denormal ones too, and the special ones."""
    rng = np.random.default_rng(0)
    unsigned, top = {
        np.float32: (np.uint32, 0x7F800000),
        np.float64: (np.uint64, 0x7FF0000000000000),
    }[dtype]
    wild = rng.integers(0, top, count, dtype=unsigned).view(dtype)
    near = rng.uniform(0.4, 2.5, count).astype(dtype)
    return np.concatenate([wild, near, np.array([0, 1, np.inf, np.nan], dtype)])


NAMES = (
    *("log", "log1p", "sqrt", "rsqrt", "reciprocal", "exp", "expm1", "tanh", "sigmoid", "sin"),
    *("floor", "ceil", "round", "trunc", "sign"),
)
REFERENCES = {
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "round": np.rint,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "name",
    NAMES,
)
def test_functions_are_within_two_units_in_the_last_place(name, dtype):
    wide = np.float64 if dtype == np.float32 else np.longdouble
    if np.finfo(wide).eps >= np.finfo(dtype).eps:
        pytest.skip("no longer type")
    x = everywhere(dtype)
    x = np.concatenate([x, -x])
    made = layers.Lambda(getattr(ops, name))(x[np.newaxis])[0]
    with np.errstate(all="ignore"):
        exact = REFERENCES.get(name, getattr(np, name, None))(x.astype(wide))
        rounded = exact.astype(dtype)
        units = np.abs(made.astype(wide) - exact) / np.spacing(np.abs(rounded)).astype(wide)
    same = (made == rounded) | (np.isnan(made) & np.isnan(rounded))
    assert np.nanmax(np.where(same, 0, units)) <= 2
    assert not np.isnan(np.where(same, 0, units)).any()
