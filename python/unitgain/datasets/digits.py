"""The digits that come with unitgain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["load_digits"]

Split = tuple[NDArray[Any], NDArray[np.int64]]

# Pixels count the inked dots of a 4 x 4 block.
LARGEST_PIXEL = 16


def load_digits(*, raw: bool = False) -> tuple[Split, Split]:
    """Return the 1,797 handwritten digits of the UCI set, as a training and a test part.

    The test part is a quarter, fixed for good: every fourth image in the data set's order,
    beginning with the first. Thirteen people wrote the images; the data set does not say who wrote
    which, so the two parts share writers.

    Args:
        raw: return the images as the data set has them, ``uint8`` of shape ``(n, 8, 8)`` with
            values from 0 to 16, instead of as input for a network.

    Returns:
        ``(x_train, y_train), (x_test, y_test)`` with 1,347 training and 450 test images. ``x`` is
        ``float32`` of shape ``(n, 64)``, scaled to 0 (paper) to 1 (ink), an image's pixels row by
        row; ``y`` is ``int64`` of shape ``(n,)``, the digits 0 to 9. All are fresh arrays.

    Source:
        E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
        Repository, 1998, https://doi.org/10.24432/C50P49, licensed CC BY 4.0.

    >>> import unitgain as ug
    >>> (x_train, y_train), (x_test, y_test) = ug.datasets.load_digits()
    >>> x_train.shape, x_test.shape
    ((1347, 64), (450, 64))
    >>> y_test[:8]
    array([0, 4, 8, 2, 6, 0, 4, 8])
    """
    file = Path(__file__).parents[1] / "data" / "digits.npz"
    with np.load(file, allow_pickle=False) as arrays:
        images: NDArray[Any] = arrays["images"]
        labels = arrays["labels"].astype(np.int64)
    if not raw:
        images = images.reshape(len(images), -1).astype(np.float32) / LARGEST_PIXEL
    held_out = np.arange(len(labels)) % 4 == 0
    return (images[~held_out], labels[~held_out]), (images[held_out], labels[held_out])
