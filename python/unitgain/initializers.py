"""Initial weights that keep a signal's strength from layer to layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from unitgain import _names, random
from unitgain._config import Configurable, serialize

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "deserialize",
    "get",
    "serialize",
]

# The standard deviation of a unit normal truncated at two standard deviations.
_TRUNCATED_DEVIATION = 0.87962566103423978


class Initializer(Configurable):
    """Makes an array of initial values. Subclasses implement ``__call__(shape, dtype)``."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = "float32") -> NDArray[Any]:
        """Return an array of the given shape, float32 or float64."""
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__")


class Constant(Initializer):
    """Every value is ``value``."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = "float32") -> NDArray[Any]:
        """Return the array."""
        return np.full(shape, self.value, dtype)


class Zeros(Constant):
    """Every value is 0."""

    def __init__(self) -> None:
        super().__init__(0.0)


class Ones(Constant):
    """Every value is 1."""

    def __init__(self) -> None:
        super().__init__(1.0)


class RandomNormal(Initializer):
    """Normal with the given mean and standard deviation."""

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: SupportsIndex | None = None
    ) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = "float32") -> NDArray[Any]:
        """Return the array."""
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)


class TruncatedNormal(RandomNormal):
    """Normal, with what lies beyond two standard deviations drawn again."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = "float32") -> NDArray[Any]:
        """Return the array."""
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)


class RandomUniform(Initializer):
    """Uniform in [minval, maxval)."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: SupportsIndex | None = None
    ) -> None:
        self.minval = minval
        self.maxval = maxval
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = "float32") -> NDArray[Any]:
        """Return the array."""
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)


class VarianceScaling(Initializer):
    """Zero mean and variance ``scale / n``, n being a count of the layer's connections.

    Args:
        scale: a positive factor.
        mode: what n counts: ``"fan_in"`` inputs, ``"fan_out"`` units, or ``"fan_avg"`` their mean.
        distribution: ``"truncated_normal"``, ``"untruncated_normal"`` or ``"uniform"``.
        seed: an integer that always gives the same values; None takes the process-wide seed.

    Raises:
        ValueError: if an argument is none of these.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: SupportsIndex | None = None,
    ) -> None:
        if not scale > 0:
            raise ValueError(f"scale must be positive, but it is {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"mode is {mode!r}, expected 'fan_in', 'fan_out' or 'fan_avg'")
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                f"distribution is {distribution!r}, expected 'truncated_normal', "
                "'untruncated_normal' or 'uniform'"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = "float32") -> NDArray[Any]:
        """Return an array of shape ``(..., inputs, units)``."""
        fan_in = math.prod(shape[:-1]) if len(shape) > 1 else math.prod(shape)
        fan_out = shape[-1] if len(shape) > 0 else 1
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        deviation = math.sqrt(self.scale / max(1.0, fan))
        if self.distribution == "truncated_normal":
            deviation /= _TRUNCATED_DEVIATION
            return random.truncated_normal(shape, 0.0, deviation, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, deviation, dtype, self.seed)
        limit = math.sqrt(3.0) * deviation
        return random.uniform(shape, -limit, limit, dtype, self.seed)


class GlorotNormal(VarianceScaling):
    """Variance 2 / (inputs + units), truncated normal (Glorot and Bengio, AISTATS 2010)."""

    def __init__(self, seed: SupportsIndex | None = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed)


class GlorotUniform(VarianceScaling):
    """Variance 2 / (inputs + units), uniform (Glorot and Bengio, AISTATS 2010)."""

    def __init__(self, seed: SupportsIndex | None = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)


class HeNormal(VarianceScaling):
    """Variance 2 / inputs, truncated normal (He, Zhang, Ren and Sun, ICCV 2015)."""

    def __init__(self, seed: SupportsIndex | None = None) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed)


class HeUniform(VarianceScaling):
    """Variance 2 / inputs, uniform (He, Zhang, Ren and Sun, ICCV 2015)."""

    def __init__(self, seed: SupportsIndex | None = None) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed)


class LecunNormal(VarianceScaling):
    """Variance 1 / inputs, truncated normal (LeCun, Bottou, Orr and Mueller, 1998)."""

    def __init__(self, seed: SupportsIndex | None = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed)


class LecunUniform(VarianceScaling):
    """Variance 1 / inputs, uniform (LeCun, Bottou, Orr and Mueller, 1998)."""

    def __init__(self, seed: SupportsIndex | None = None) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed)


_TABLE: dict[str, Callable[[], Initializer]] = {
    _names.snake_case(kind.__name__): kind
    for kind in (
        Constant,
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        LecunNormal,
        LecunUniform,
        Ones,
        RandomNormal,
        RandomUniform,
        TruncatedNormal,
        VarianceScaling,
        Zeros,
    )
}


def get(initializer: str | Mapping[str, Any] | Initializer) -> Initializer:
    """Return the initializer of that name (``"he_normal"``), of that configuration, or as given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor an initializer.
    """
    return _names.resolve("initializer", initializer, _TABLE, Initializer, _names.snake_case)


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Initializer:
    """Return the initializer that :func:`serialize` described.

    Args:
        config: a mapping with a ``class_name`` and a ``config``.
        custom_objects: classes of one's own by name.

    Raises:
        ValueError: if it describes none.
    """
    with _names.custom_objects(custom_objects):
        return get(config)
