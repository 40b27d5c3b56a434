"""Mixtures of samples, which ``fit(..., augment=...)`` makes while it assembles a batch."""

from __future__ import annotations

from typing import Any, ClassVar, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unitgain import _native, random
from unitgain._configurable import Configurable

__all__ = ["CutMix", "MixUp", "Mixer"]


class Mixer(Configurable):
    """Makes a new sample of each sample and another: :class:`MixUp` and its kin."""

    # The subclass's name of the parameter of the shares' distribution.
    _parameter: ClassVar[str]

    def __init__(self, alpha: float, seed: SupportsIndex | None) -> None:
        if not 0 < alpha < float("inf"):
            raise ValueError(f"{self._parameter} must be finite and above 0, but it is {alpha}")
        self.seed = seed
        self._alpha = float(alpha)
        self._key = random.mixed_key(seed)

    def spec(self, shape: tuple[int, ...]) -> _native.MixSpec:
        """Return what the native pass takes, for samples of a shape."""
        raise NotImplementedError(f"{type(self).__name__} does not implement spec")

    def __call__(
        self, x: ArrayLike, y: ArrayLike, step: SupportsIndex = 0
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the mixtures that training on one batch of all samples makes at a step.

        Args:
            x: samples.
            y: target values, a row a sample; class labels cannot be mixed.
            step: the training step.

        Raises:
            ValueError: if shapes do not fit.
        """
        inputs, targets = np.asarray(x), np.asarray(y)
        if inputs.ndim < 2 or targets.ndim < 1 or len(inputs) != len(targets):
            raise ValueError(
                f"x has shape {inputs.shape} and y {targets.shape}: no samples of both"
            )
        double = inputs.dtype == np.float64
        types = _native.float64 if double else _native.float32
        rows = len(inputs)
        mixed = types.mix(
            inputs.reshape(rows, -1),
            np.asarray(targets.reshape(rows, -1), np.float64),
            self.spec(inputs.shape[1:]),
            int(step),
        )
        return mixed[0].reshape(inputs.shape), mixed[1].reshape(targets.shape)


class MixUp(Mixer):
    """Each sample becomes ``share * sample + (1 - share) * other``, and so do its targets.

    The other is drawn from all samples of the pass, the share from Beta(alpha, alpha): Zhang,
    Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018.

    Args:
        alpha: the larger, the more even the mixtures.
        seed: an integer that always mixes the same; None takes the process-wide seed.

    Raises:
        ValueError: if ``alpha`` is not above 0.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> x, y = ug.data.MixUp(seed=1)(np.eye(4), np.eye(4))
    >>> bool((x == y).all())
    True
    """

    _parameter = "alpha"

    def __init__(self, alpha: float = 0.2, seed: SupportsIndex | None = None) -> None:
        super().__init__(alpha, seed)
        self.alpha = alpha

    def spec(self, shape: tuple[int, ...]) -> _native.MixSpec:
        """Return what the native pass takes."""
        return _native.MixSpec(_native.Mixing.blend, self._alpha, self._key)


class CutMix(Mixer):
    """Puts a part of another sample into each, and mixes the targets by the part's exact share.

    Of images, ``(height, width)`` or ``(height, width, channels)``, the part is a box around a
    pixel drawn evenly, cut at the edges, whose area before is a share drawn from Beta(factor,
    factor): Yun et al., "CutMix: regularization strategy to train strong classifiers with
    localizable features", ICCV 2019. Of tables, ``(features,)``, it is features, each drawn with
    the share's probability.

    Args:
        factor: the larger, the nearer the shares to a half.
        seed: an integer that always mixes the same; None takes the process-wide seed.
        image_shape: ``(height, width)`` or ``(height, width, channels)`` of images that come as
            rows; None takes the samples' own shape.

    Raises:
        ValueError: if ``factor`` is not above 0.
    """

    _parameter = "factor"

    def __init__(
        self,
        factor: float = 1.0,
        seed: SupportsIndex | None = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__(factor, seed)
        self.factor = factor
        self.image_shape = image_shape

    def spec(self, shape: tuple[int, ...]) -> _native.MixSpec:
        """Return what the native pass takes."""
        shape = self.image_shape or shape
        if len(shape) == 1:
            return _native.MixSpec(_native.Mixing.features, self._alpha, self._key)
        if len(shape) > 3:
            raise ValueError(
                f"samples have shape {shape}, expected (features,), (height, width) or (height, "
                "width, channels)"
            )
        return _native.MixSpec(_native.Mixing.box, self._alpha, self._key, shape[0], shape[1])
