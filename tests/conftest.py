"""What every test leaves as it found it: the library's settings for the whole process."""

from collections.abc import Iterator

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
