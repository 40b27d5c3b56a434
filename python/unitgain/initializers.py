"""Initial weights that keep a signal's strength from layer to layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from unitgain import _names, activations, linalg, random
from unitgain._configurable import Configurable, serialize
from unitgain.dtype_policies import floatx
from unitgain.ops import matmul

__all__ = [
    "Constant",
    "FourfoldGlorotNormal",
    "FourfoldGlorotUniform",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "calibrate",
    "constant",
    "deserialize",
    "for_activation",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

# The standard deviation of a unit normal truncated at two standard deviations.
_TRUNCATED_DEVIATION = 0.87962566103423978


def _dtype(given: DTypeLike | None) -> DTypeLike:
    return floatx() if given is None else given


class Initializer(Configurable):
    """Makes an array of initial values. Subclasses implement ``__call__(shape, dtype)``."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Return an array of the given shape, float32 or float64; None is the default dtype."""
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__")


class Constant(Initializer):
    """Every value is ``value``."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Return the array."""
        return np.full(shape, self.value, _dtype(dtype))


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

    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Return the array."""
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)


class TruncatedNormal(RandomNormal):
    """Normal, with what lies beyond two standard deviations drawn again."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> NDArray[Any]:
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

    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> NDArray[Any]:
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

    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> NDArray[Any]:
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


class FourfoldGlorotNormal(VarianceScaling):
    """Four times the scale of :class:`GlorotNormal`: the older rule for sigmoid units.

    The sigmoid is ``(1 + tanh(x / 2)) / 2``, whose slope at 0 is a quarter of tanh's, so that the
    rule for tanh is multiplied by 4 (Bengio, "Practical recommendations for gradient-based training
    of deep architectures", 2012, section 3.1, after Glorot and Bengio). Textbooks that state the
    sigmoid's rule without the factor have it at tanh instead (Geron, "Hands-on machine learning",
    1st edition, 2017, table 11-1).
    """

    def __init__(self, seed: SupportsIndex | None = None) -> None:
        super().__init__(16.0, "fan_avg", "truncated_normal", seed)


class FourfoldGlorotUniform(VarianceScaling):
    """Uniform within four times the limits of :class:`GlorotUniform`: see the normal one.

    The limits are ``4 sqrt(6 / (inputs + units))``.
    """

    def __init__(self, seed: SupportsIndex | None = None) -> None:
        super().__init__(16.0, "fan_avg", "uniform", seed)


class LecunNormal(VarianceScaling):
    """Variance 1 / inputs, truncated normal (LeCun, Bottou, Orr and Mueller, 1998)."""

    def __init__(self, seed: SupportsIndex | None = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed)


class LecunUniform(VarianceScaling):
    """Variance 1 / inputs, uniform (LeCun, Bottou, Orr and Mueller, 1998)."""

    def __init__(self, seed: SupportsIndex | None = None) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed)


class Orthogonal(Initializer):
    """A matrix with orthonormal columns, or rows if there are more columns, times ``gain``.

    Every such matrix is equally likely: it is the orthogonal factor of the polar decomposition of a
    matrix of normal numbers. Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear
    dynamics of learning in deep linear neural networks", ICLR 2014.

    Args:
        gain: a factor.
        seed: an integer that always gives the same values; None takes the process-wide seed.
    """

    def __init__(self, gain: float = 1.0, seed: SupportsIndex | None = None) -> None:
        self.gain = gain
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Return an array of shape ``(..., units)``, as a matrix of ``units`` columns.

        Raises:
            ValueError: if the shape has fewer than two sizes.
        """
        if len(shape) < 2:
            raise ValueError(f"shape is {tuple(shape)}, but Orthogonal needs two sizes or more")
        matrix = random.normal((math.prod(shape[:-1]), shape[-1]), dtype="float64", seed=self.seed)
        left, _, right = linalg.svd(matrix, full_matrices=False)
        return np.asarray((self.gain * matmul(left, right)).reshape(shape), _dtype(dtype))


class Identity(Initializer):
    """The identity matrix, times ``gain``; zeros fill what is not square.

    Args:
        gain: a factor.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: DTypeLike | None = None) -> NDArray[Any]:
        """Return a matrix.

        Raises:
            ValueError: if the shape has not two sizes.
        """
        if len(shape) != 2:
            raise ValueError(f"shape is {tuple(shape)}, but Identity makes matrices")
        return np.asarray(self.gain * np.eye(shape[0], shape[1]), _dtype(dtype))


# Anything taken for one: a name, a configuration, or an initializer.
InitializerLike: TypeAlias = str | Mapping[str, Any] | Initializer

# Keras has the classes by these names, too.
constant, identity, ones, zeros, orthogonal = Constant, Identity, Ones, Zeros, Orthogonal
glorot_normal, glorot_uniform, variance_scaling = GlorotNormal, GlorotUniform, VarianceScaling
he_normal, he_uniform, lecun_normal, lecun_uniform = HeNormal, HeUniform, LecunNormal, LecunUniform
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal

_TABLE: dict[str, Callable[[], Initializer]] = {
    _names.snake_case(kind.__name__): kind
    for kind in (
        Constant,
        FourfoldGlorotNormal,
        FourfoldGlorotUniform,
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        Identity,
        LecunNormal,
        LecunUniform,
        Ones,
        Orthogonal,
        RandomNormal,
        RandomUniform,
        TruncatedNormal,
        VarianceScaling,
        Zeros,
    )
}
_TABLE["identity_initializer"] = Identity
_TABLE["orthogonal_initializer"] = Orthogonal


def get(initializer: InitializerLike) -> Initializer:
    """Return the initializer of that name (``"he_normal"``), of that configuration, or as given.

    Raises:
        ValueError: if there is none of that name.
        TypeError: if it is neither a name nor a configuration nor an initializer.
    """
    return _names.resolve("initializer", initializer, _TABLE, Initializer, _names.snake_case)


# Known to for_activation by name: LeCun's rule where the activation itself normalises (Klambauer,
# Unterthiner, Mayr and Hochreiter, NIPS 2017), and an activation that has parameters to learn.
_FOR_ACTIVATION: dict[str, Callable[..., Initializer]] = {"prelu": HeNormal, "selu": LecunNormal}


def for_activation(
    activation: str | Callable[..., Any] | None, seed: SupportsIndex | None = None
) -> Initializer:
    """Return the initializer that keeps a signal's variance through layers of an activation.

    :class:`HeNormal` for those that hand on what is positive and cut off most of the rest: the ReLU
    family, GELU, Swish, Mish and softplus; they are told by their slopes at 4 and -4.
    :class:`LecunNormal` for SELU, :class:`GlorotUniform` for all others: linear layers, tanh,
    sigmoid, softmax and their like. ``Dense(..., kernel_initializer="auto")`` uses it.

    Args:
        activation: a name or function of :mod:`unitgain.activations`; None for none.
        seed: of the initializer.

    Raises:
        ValueError: if there is no such activation.

    >>> import unitgain as ug
    >>> type(ug.initializers.for_activation("relu")).__name__
    'HeNormal'
    """
    name = "linear" if activation is None else getattr(activation, "__name__", activation)
    if name in _FOR_ACTIVATION:
        return _FOR_ACTIVATION[name](seed=seed)
    known = activations.get(name).__name__
    below, above = activations.gradient(known, np.array([-4.0, 4.0]), np.ones(2))
    return HeNormal(seed) if abs(above - 1) < 0.1 and abs(below) < 0.5 else GlorotUniform(seed)


def calibrate(
    model: Any,
    x: Any,
    *,
    orthonormal: bool = True,
    tolerance: float = 0.1,
    max_iterations: int = 10,
) -> dict[str, float]:
    """Scale a model's kernels on data until each layer's output has unit variance.

    Layer by layer, from the first: the kernel is made orthonormal, and divided by the standard
    deviation of what it makes of ``x``, in front of the activation, again and again until the
    variance is 1. It works for any activation and any graph; biases, frozen layers and weights that
    are no kernels of :class:`~unitgain.layers.Dense` layers stay as they are. Layers run as in
    inference, without dropout.

    Args:
        model: a model, which is built if need be.
        x: samples, as for ``fit``: a batch of some hundred.
        orthonormal: whether kernels are made orthonormal first; False keeps their directions.
        tolerance: how far from 1 a variance may stay.
        max_iterations: how often a kernel is scaled at most.

    Returns:
        The last variance seen of each layer, by its name.

    Raises:
        ValueError: if shapes do not fit, there are no samples, or the variance of a layer's outputs
            is 0 or not finite.

    Source: Mishkin and Matas, "All you need is a good init", ICLR 2016.

    >>> import unitgain as ug
    >>> deep = [ug.layers.Dense(32, "tanh") for _ in range(30)]
    >>> model = ug.Sequential([ug.layers.Input((32,)), *deep])
    >>> x = ug.random.normal((256, 32), seed=0)
    >>> variances = ug.initializers.calibrate(model, x)
    >>> all(abs(v - 1) < 0.1 for v in variances.values())
    True
    """
    options = {
        "orthonormal": orthonormal,
        "tolerance": tolerance,
        "max_iterations": max_iterations,
    }
    found: dict[str, float] = model._calibrate(x, **options)
    return found


deserialize = _names.deserializer("initializer", get)
