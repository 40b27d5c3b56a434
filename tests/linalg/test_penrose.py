"""The Moore-Penrose conditions on the ill-conditioned matrices of textbooks, beside NumPy's."""

import numpy as np
import pytest
from scipy.linalg import hilbert, invhilbert, pascal
from variants import rerun_on_other_variants

import unitgain as ug

test_other_variants = rerun_on_other_variants(__file__)


def magic(n):
    """A magic square of odd or doubly even order: the latter have rank 3."""
    i, j = np.indices((n, n))
    if n % 2:
        return n * ((i + j + 1 + n // 2) % n) + (i + 2 * j + 2) % n + 1.0
    square = np.arange(1.0, n * n + 1).reshape(n, n)
    return np.where((i % 4 // 2) == (j % 4 // 2), n * n + 1 - square, square)


def cases():
    found = {f"pascal {n}": np.array(pascal(n), float) for n in range(5, 21)}
    found |= {f"hilbert {n}": hilbert(n) for n in range(4, 15)}
    found |= {f"inverse of hilbert {n}": np.array(invhilbert(n), float) for n in range(4, 15)}
    found |= {f"vandermonde {n}": np.vander(np.linspace(0, 1, n)) for n in range(4, 21)}
    found |= {
        f"vandermonde of integers {n}": np.vander(np.arange(1.0, n + 1)) for n in range(4, 13)
    }
    found |= {f"magic {n}": magic(n) for n in range(3, 21) if n % 2 or n % 4 == 0}
    return found


def worst_residual(a, x):
    """Return the largest of the four residuals, the first two relative to what they leave."""
    a, x = a.astype(np.longdouble), x.astype(np.longdouble)
    ax, xa = a @ x, x @ a

    def norm(matrix):
        return float(np.sqrt((matrix * matrix).sum()))

    return max(
        norm(ax @ a - a) / norm(a), norm(xa @ x - x) / norm(x), norm(ax - ax.T), norm(xa - xa.T)
    )


@pytest.mark.parametrize("turned", [False, True], ids=["", "transposed"])
@pytest.mark.parametrize("stacked", [False, True], ids=["single", "stack"])
@pytest.mark.parametrize("method", ["auto", "svd"])
@pytest.mark.parametrize("relative", [1e-15, None], ids=["1e-15", "size times epsilon"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_residuals_are_at_most_twice_numpys(dtype, relative, method, stacked, turned):
    failed = []
    for name, matrix in cases().items():
        a = matrix.T.astype(dtype) if turned else matrix.astype(dtype)
        given = np.stack([a] * 9) if stacked else a
        cutoff = len(a) * np.finfo(dtype).eps if relative is None else relative
        ours = ug.linalg.pinv(given, cutoff, method=method)
        ours = ours[4] if stacked else ours
        # Float's is what of the exact one is left by rounding its entries, as is NumPy's in double.
        rounded = np.linalg.pinv(a.astype(float), cutoff).astype(dtype)
        limit = 2 * max(worst_residual(a, x) for x in (np.linalg.pinv(a, cutoff), rounded))
        # What rounding A's and X's entries may leave: NumPy's have less by chance alone.
        norms = np.linalg.norm(a.astype(float)) * np.linalg.norm(ours.astype(float))
        if norms < 1e4:
            limit = max(limit, 2 * np.finfo(dtype).eps * norms)
        found = worst_residual(a, ours)
        if found > limit:
            failed.append(f"{name}: {found:.2g}, but NumPy's twice is {limit:.2g}")
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (3, 7, 4), (0, 3)])
def test_certificate_is_what_is_left_of_the_four_conditions(shape, dtype):
    a = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    x, certificate = ug.linalg.pinv(a, return_certificate=True)
    np.testing.assert_array_equal(x, ug.linalg.pinv(a))
    assert np.shape(certificate.rank) == np.shape(certificate.residual) == shape[:-2]
    assert (np.asarray(certificate.rank) == (min(shape[-2:]))).all()
    assert (np.asarray(certificate.residual) <= 20 * np.finfo(dtype).eps).all()
    if min(shape[-2:]):
        values = np.linalg.svd(a.astype(float), compute_uv=False)
        assert (certificate.condition >= values.max(-1) / values.min(-1) * 0.999).all()


def test_certificate_has_what_was_cut_off_and_any_scale():
    a = np.diag([1.0, 1e-3, 1e-6])
    for scale in (1, 2.0**600, 2.0**-600):
        cut = ug.linalg.pinv(scale * a, 1e-4, return_certificate=True).certificate
        assert cut.rank == 2
        assert cut.condition == pytest.approx(1e3, rel=1e-5)
        assert cut.residual == pytest.approx(1e-6, rel=1e-5)
    assert ug.linalg.pinv(np.zeros((2, 3)), return_certificate=True).certificate == (0, 0.0, 0.0)
