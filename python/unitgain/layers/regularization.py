"""Layers that change training alone: dropout, noise, ReLU with random slopes, penalties.

What a layer draws depends on its seed, the training step and the value's position alone, and is
drawn again for the gradient: no mask is stored. Outside training all but RReLU change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, SupportsIndex

from unitgain import activations, random, regularizers
from unitgain.graph.native import NativeGraph
from unitgain.layers.base import Layer, SampleShape

__all__ = [
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "RReLU",
]


class ActivityRegularization(Layer):
    """Hands its input on, for which the loss has a penalty.

    ``(l1 * sum(|x|) + l2 * sum(x**2)) / batch_size``, in training and in evaluation.

    Args:
        l1: the factor of the magnitudes, at least 0.
        l2: the factor of the squares, at least 0.
        name: what the layer is called.

    Raises:
        ValueError: if a factor is negative or not finite.
    """

    _takes_one_sample = supports_masking = True

    def __init__(
        self, l1: float = 0.0, l2: float = 0.0, name: str | None = None, **keywords: Any
    ) -> None:
        super().__init__(name, **keywords)
        factors = regularizers.L1L2(l1, l2)
        self.l1, self.l2 = factors.l1, factors.l2

    def _activity_factors(self) -> tuple[float, float]:
        return self.l1, self.l2

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add a node for the penalty."""
        return int(graph.activity(node, self.l1, self.l2))


class Noise(Layer):
    """A layer that draws from a key of its own; subclasses name the native noise."""

    _noise = ""
    _keys = ("_key",)
    _takes_one_sample = supports_masking = True

    def __init__(
        self,
        parameters: Sequence[float],
        seed: SupportsIndex | None,
        name: str | None,
        **keywords: Any,
    ) -> None:
        super().__init__(name, **keywords)
        self.seed = seed
        self._parameters = list(parameters)
        self._key = random.mixed_key(seed)

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add a noise node."""
        return int(graph.noise(node, self._noise, self._parameters, self._key))


class _RateNoise(Noise):
    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: SupportsIndex | None = None,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        self.rate = random.checked_rate(rate)
        self.noise_shape = _checked_noise_shape(noise_shape)
        super().__init__([self.rate], seed, name, **keywords)

    def build(self, input_shape: SampleShape) -> None:
        """Check that the noise's shape is one of the samples'."""
        self._shared_axes(input_shape)

    def _shared_axes(self, input_shape: SampleShape) -> list[int]:
        """Return the axes, the batch's being 0, along which all values get the same noise."""
        if self.noise_shape is None:
            return []
        sizes = (None, *input_shape)
        fits = len(self.noise_shape) == len(sizes) and all(
            size in (1, None, known) or known is None
            for size, known in zip(self.noise_shape, sizes, strict=True)
        )
        if not fits:
            raise ValueError(
                f"noise_shape of {self.name} is {self.noise_shape}, expected the sizes of a batch "
                f"of samples of shape {input_shape}, or 1 or None for any of them"
            )
        return [i for i, size in enumerate(self.noise_shape) if size == 1]

    def lower(self, graph: NativeGraph, node: int) -> int:
        """Add a noise node."""
        assert self.input_shape is not None
        axes = self._shared_axes(self.input_shape)
        if not axes:
            return super().lower(graph, node)
        sizes = list(self.input_shape)
        return int(graph.noise(node, self._noise, self._parameters, self._key, sizes, axes))


def _checked_noise_shape(given: Any) -> tuple[int | None, ...] | None:
    """Return the shape of what is drawn.

    Raises:
        ValueError: if it is no sequence of positive integers and None.
    """
    if given is None:
        return None
    sizes = tuple(given) if isinstance(given, (list, tuple)) else ("",)
    if not all(size is None or (type(size) is int and size > 0) for size in sizes):
        raise ValueError(
            f"noise_shape is {given!r}, expected a sequence of positive integers and None"
        )
    return sizes


class Dropout(_RateNoise):
    """In training, sets each value to 0 with probability ``rate`` and scales the others up.

    Those kept are multiplied by 1 / (1 - rate), so that the expectation stays (Srivastava, Hinton,
    Krizhevsky, Sutskever and Salakhutdinov, JMLR 15, 2014).

    Args:
        rate: the probability, at least 0 and less than 1.
        noise_shape: the shape of what is drawn, the batch first, of which None is the input's size
            and 1 draws once for all values along the axis: ``(None, 1, features)`` drops whole
            columns of a sample. None draws for every value by itself.
        seed: an integer that always drops the same; None takes the process-wide seed.
        name: what the layer is called.

    Raises:
        ValueError: if ``rate`` is out of range, or ``noise_shape`` does not fit the samples.
    """

    _noise = "dropout"


class AlphaDropout(_RateNoise):
    """Dropout for SELU networks: keeps mean 0 and variance 1 where they were so before.

    In training, each value is with probability ``rate`` set to SELU's limit at -infinity,
    ``alpha' = -1.7581``, and then all are mapped to ``a x + b`` with ``a = ((1 - rate) (1 + rate
    alpha'^2))^(-1/2)`` and ``b = -a alpha' rate`` (Klambauer, Unterthiner, Mayr and Hochreiter,
    "Self-normalizing neural networks", NIPS 2017, section 3).

    Args:
        rate: the probability, at least 0 and less than 1.
        noise_shape: the shape of what is drawn, the batch first, of which None is the input's size
            and 1 draws once for all values along the axis: ``(None, 1, features)`` drops whole
            columns of a sample. None draws for every value by itself.
        seed: an integer that always drops the same; None takes the process-wide seed.
        name: what the layer is called.

    Raises:
        ValueError: if ``rate`` is out of range, or ``noise_shape`` does not fit the samples.
    """

    _noise = "alpha_dropout"


class GaussianDropout(Noise):
    """In training, multiplies each value by a normal number with mean 1.

    Its standard deviation is ``sqrt(rate / (1 - rate))``, dropout's (Srivastava, Hinton,
    Krizhevsky, Sutskever and Salakhutdinov, JMLR 15, 2014, section 10).

    Args:
        rate: of the dropout that it stands for, at least 0 and less than 1.
        seed: an integer that always draws the same; None takes the process-wide seed.
        name: what the layer is called.

    Raises:
        ValueError: if ``rate`` is out of range.
    """

    _noise = "gaussian_dropout"

    def __init__(
        self,
        rate: float,
        seed: SupportsIndex | None = None,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        self.rate = random.checked_rate(rate)
        super().__init__([rate], seed, name, **keywords)


class GaussianNoise(Noise):
    """In training, adds to each value a normal number with mean 0.

    Args:
        stddev: the noise's standard deviation, at least 0.
        seed: an integer that always draws the same; None takes the process-wide seed.
        name: what the layer is called.

    Raises:
        ValueError: if ``stddev`` is negative or not finite.
    """

    _noise = "gaussian_noise"

    def __init__(
        self,
        stddev: float,
        seed: SupportsIndex | None = None,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        if not (stddev >= 0 and math.isfinite(stddev)):
            raise ValueError(f"stddev must be finite and at least 0, but it is {stddev}")
        self.stddev = stddev
        super().__init__([stddev], seed, name, **keywords)


class RReLU(Noise):
    """ReLU with a random slope for negative values: ``x`` where positive, else ``slope * x``.

    In training each value draws its slope evenly from [lower, upper]; otherwise the slope is their
    mean (Xu, Wang, Chen and Li, "Empirical evaluation of rectified activations in convolutional
    network", 2015).

    Args:
        lower: the lowest slope, at least 0.
        upper: the highest slope, at least ``lower``.
        seed: an integer that always draws the same; None takes the process-wide seed.
        name: what the layer is called.

    Raises:
        ValueError: if a slope is out of its range.
    """

    _noise = "rrelu"

    def __init__(
        self,
        lower: float = 1 / 8,
        upper: float = 1 / 3,
        seed: SupportsIndex | None = None,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        self.slopes = activations.checked_slopes(lower, upper)
        super().__init__(self.slopes, seed, name, **keywords)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this."""
        lower, upper = self.slopes
        return {**super().get_config(), "lower": lower, "upper": upper}
