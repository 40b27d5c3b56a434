"""Random numbers: the process-wide seed, and arrays of random numbers.

Every number is a function of a seed, a stream and a position (Philox4x32-10: Salmon, Moraes, Dror
and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), so that the same seed gives the
same bits whatever the number of threads. What draws without a seed of its own (initializers,
shuffling, dropout, the functions below) takes the next stream of the process-wide seed.
"""

from __future__ import annotations

import contextlib
import math
import operator
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from unitgain import _fork, _native
from unitgain.dtype_policies import floatx

__all__ = ["dropout", "normal", "permutation", "seed", "truncated_normal", "uniform"]

Shape: TypeAlias = SupportsIndex | Sequence[SupportsIndex]

# The stream of a seed of its own: far from the streams that the process-wide seed hands out from
# 0 on, so that the same number given to both does not give the same random numbers.
_OWN_STREAM = 1 << 63


class Streams:
    """The streams of one seed, handed out from ``position`` on.

    Attributes:
        key: the seed.
    """

    def __init__(self, key: int, position: int = 0) -> None:
        self.key = key
        self._position = position
        self._lock = _fork.Lock()

    @property
    def position(self) -> int:
        """The number of the next stream."""
        return self._position

    def take(self) -> int:
        """Return the next stream's number, which nobody else gets."""
        with self._lock.current:
            taken = self._position
            self._position += 1
        return taken


_streams = Streams(int.from_bytes(os.urandom(8), "little"))
# A thread's streams in place of the process-wide ones.
_own_streams: ContextVar[Streams | None] = ContextVar("unitgain_streams", default=None)


def seed(seed: SupportsIndex) -> None:
    """Set the process-wide seed; a process that sets none starts with one of the system's.

    >>> import unitgain as ug
    >>> ug.random.seed(1)
    >>> first = ug.random.uniform(3)
    >>> ug.random.seed(1)
    >>> bool((ug.random.uniform(3) == first).all())
    True

    Raises:
        TypeError: if ``seed`` is not an integer.
        ValueError: if it is not in [0, 2**64).
    """
    global _streams
    _streams = Streams(_checked_seed(seed))


def uniform(
    shape: Shape,
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: DTypeLike | None = None,
    seed: SupportsIndex | None = None,
) -> NDArray[Any]:
    """Return an array of numbers drawn evenly from [minval, maxval).

    Args:
        shape: the array's shape, an int or a sequence of them.
        minval: the smallest number that can be drawn.
        maxval: the open end; ``maxval == minval`` gives that number everywhere.
        dtype: float32 or float64; None for the default, :func:`unitgain.config.floatx`.
        seed: an integer that always gives the same array; None takes the process-wide seed.

    Raises:
        ValueError: if a size or the seed is negative, or ``maxval - minval`` neither finite nor
            at least 0.
        TypeError: if ``dtype`` is neither float32 nor float64.
    """
    if not (minval <= maxval and math.isfinite(maxval - minval)):
        raise ValueError(
            f"minval is {minval} and maxval is {maxval}, expected finite minval <= maxval"
        )
    array = _empty(shape, dtype)
    _native.fill_uniform(array, *key_and_stream(seed), float(minval), float(maxval))
    return array


def normal(
    shape: Shape,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: DTypeLike | None = None,
    seed: SupportsIndex | None = None,
) -> NDArray[Any]:
    """Return an array of numbers drawn from a normal distribution.

    The method is Box and Muller's ("A note on the generation of random normal deviates", 1958), in
    float64.

    Args:
        shape: the array's shape, an int or a sequence of them.
        mean: the distribution's mean.
        stddev: its standard deviation; 0 gives the mean everywhere.
        dtype: float32 or float64; None for the default, :func:`unitgain.config.floatx`.
        seed: an integer that always gives the same array; None takes the process-wide seed.

    Raises:
        ValueError: if a size, the seed or ``stddev`` is negative, or a parameter not finite.
        TypeError: if ``dtype`` is neither float32 nor float64.
    """
    _check_normal(mean, stddev)
    array = _empty(shape, dtype)
    _native.fill_normal(array, *key_and_stream(seed), float(mean), float(stddev))
    return array


def truncated_normal(
    shape: Shape,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: DTypeLike | None = None,
    seed: SupportsIndex | None = None,
) -> NDArray[Any]:
    """Return an array of normal numbers, those beyond two standard deviations drawn again.

    The numbers' own standard deviation is 0.8796 ``stddev``. Arguments and errors are those of
    :func:`normal`.
    """
    _check_normal(mean, stddev)
    array = _empty(shape, dtype)
    _native.fill_truncated_normal(array, *key_and_stream(seed), float(mean), float(stddev))
    return array


def dropout(
    inputs: ArrayLike, rate: float, seed: SupportsIndex | None = None
) -> NDArray[np.floating[Any]]:
    """Return ``inputs`` with each value set to 0 with probability ``rate``, the others scaled up.

    Those kept are multiplied by ``1 / (1 - rate)`` (Srivastava, Hinton, Krizhevsky, Sutskever and
    Salakhutdinov, JMLR 15, 2014). The probability is exact to 2**-32.

    Args:
        inputs: an array of float32 or float64 (lists become float64), of any shape.
        rate: the probability, at least 0 and less than 1.
        seed: an integer that always drops the same; None takes the process-wide seed.

    Raises:
        ValueError: if ``rate`` or the seed is out of range.
        TypeError: if the dtype is neither float32 nor float64.
    """
    array = inputs if isinstance(inputs, np.ndarray) else np.asarray(inputs, np.float64)
    return _native.noise("dropout", [checked_rate(rate)], array, *key_and_stream(seed))


def permutation(n: SupportsIndex, seed: SupportsIndex | None = None) -> NDArray[np.int64]:
    """Return the integers 0 to ``n - 1`` in a random order, every order equally likely.

    Args:
        n: how many.
        seed: an integer that always gives the same order; None takes the process-wide seed.

    Raises:
        ValueError: if ``n`` or the seed is negative.
    """
    size = operator.index(n)
    if size < 0:
        raise ValueError(f"n must be at least 0, but it is {size}")
    return _native.permutation(size, *key_and_stream(seed))


def current_seed() -> int:
    """Return the process-wide seed: the key of the streams that :func:`next_stream` hands out."""
    return current_streams().key


def next_stream() -> int:
    """Return a stream of the process-wide seed that nobody else was given since it was set."""
    return current_streams().take()


def current_streams() -> Streams:
    """Return what is drawn from here: the process-wide streams, if :func:`drawing_from` is not."""
    return _own_streams.get() or _streams


def process_streams() -> Streams:
    """Return the process-wide streams; :func:`seed` makes others."""
    return _streams


def set_process_streams(key: int, position: int) -> None:
    """Let the process-wide streams be those of a seed, from a position on."""
    global _streams
    _streams = Streams(key, position)


@contextlib.contextmanager
def drawing_from(streams: Streams | None) -> Iterator[None]:
    """Draw from other streams than the process-wide ones in this block; None changes nothing."""
    token = _own_streams.set(streams or _own_streams.get())
    try:
        yield
    finally:
        _own_streams.reset(token)


def key_and_stream(seed: SupportsIndex | None) -> tuple[int, int]:
    """Return the Philox key and stream of a seed of one's own, or the process-wide seed's next."""
    if seed is not None:
        return _checked_seed(seed), _OWN_STREAM
    streams = current_streams()
    return streams.key, streams.take()


def mixed_key(seed: SupportsIndex | None) -> int:
    """Return a Philox key of its own for one consumer of many streams, drawn from a seed."""
    key, stream = key_and_stream(seed)
    low, high = 0xFFFFFFFF, 32
    words = _native.philox([stream & low, stream >> high, low, low], [key & low, key >> high])
    return int(words[0]) | int(words[1]) << high


def checked_rate(rate: float) -> float:
    """Return a dropout rate.

    Raises:
        ValueError: if it is not at least 0 and less than 1.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"rate must be at least 0 and less than 1, but it is {rate}")
    return float(rate)


def _checked_seed(seed: SupportsIndex) -> int:
    value = operator.index(seed)
    if not 0 <= value < 1 << 64:
        raise ValueError(f"seed must be in [0, 2**64), but it is {value}")
    return value


def _empty(shape: Shape, dtype: DTypeLike | None) -> NDArray[Any]:
    kind = np.dtype(floatx() if dtype is None else dtype)
    if kind not in (np.float32, np.float64):
        raise TypeError(f"dtype is {kind}, expected float32 or float64")
    sizes = [operator.index(n) for n in ([shape] if isinstance(shape, SupportsIndex) else shape)]
    if any(n < 0 for n in sizes):
        raise ValueError(f"shape must have no negative size, but it is {tuple(sizes)}")
    return _native.empty(sizes, kind)


def _check_normal(mean: float, stddev: float) -> None:
    if not math.isfinite(mean):
        raise ValueError(f"mean must be finite, but it is {mean}")
    if not (stddev >= 0 and math.isfinite(stddev)):
        raise ValueError(f"stddev must be finite and at least 0, but it is {stddev}")
