"""Every test leaves the library's settings for the whole process as it found them."""

import os
from collections.abc import Iterator

# NumPy is what results are compared with. Its threads spin while they wait, and so take the CPUs
# from the other processes of pytest-xdist and from the library's own threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

import unitgain as ug


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """Restores the settings that a test may have changed."""
    threads, layer = ug.num_threads(), ug.threading_layer()
    precision, limit = ug.get_float32_matmul_precision(), ug.cache_limit()
    across = ug.reproducible()
    yield
    ug.set_reproducible(across)
    if ug.threading_layer() != layer:
        ug.set_threading_layer(layer)
    ug.set_num_threads(threads)
    ug.set_float32_matmul_precision(precision)
    ug.set_cache_limit(limit)
