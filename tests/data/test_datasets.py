"""The digits are the data set's, whole, split as documented."""

import hashlib
from importlib import resources

import numpy as np
import pytest

import unitgain as ug

# optdigits.names of the UCI data set, section 9: examples of each class in the testing set.
DOCUMENTED_CLASS_COUNTS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
# Of the images and labels (as bytes, in the file's order) of scikit-learn's load_digits.
IMAGES_SHA256 = "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"
LABELS_SHA256 = "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0"


def whole_set():
    """Both parts put together again, in the data set's order."""
    (x_train, y_train), (x_test, y_test) = ug.datasets.load_digits(raw=True)
    images = np.empty((1797, 8, 8), np.uint8)
    labels = np.empty(1797, np.int64)
    held_out = np.arange(1797) % 4 == 0
    images[held_out], images[~held_out] = x_test, x_train
    labels[held_out], labels[~held_out] = y_test, y_train
    return images, labels


def test_images_and_labels_are_those_of_the_data_set():
    images, labels = whole_set()
    assert np.bincount(labels).tolist() == DOCUMENTED_CLASS_COUNTS
    assert hashlib.sha256(images.tobytes()).hexdigest() == IMAGES_SHA256
    assert hashlib.sha256(labels.astype(np.uint8).tobytes()).hexdigest() == LABELS_SHA256


def test_parts_have_the_documented_shapes_and_types():
    (x_train, y_train), (x_test, y_test) = ug.datasets.load_digits()
    assert (x_train.shape, x_test.shape) == ((1347, 64), (450, 64))
    assert (y_train.shape, y_test.shape) == ((1347,), (450,))
    assert x_train.dtype == x_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    assert all(part.flags.c_contiguous and part.flags.writeable for part in (x_train, x_test))


def test_scaling_maps_the_raw_pixels_to_zero_to_one():
    (scaled, _), _ = ug.datasets.load_digits()
    (raw, _), _ = ug.datasets.load_digits(raw=True)
    assert scaled.min() == 0
    assert scaled.max() == 1
    np.testing.assert_array_equal(scaled * 16, raw.reshape(-1, 64))


def test_every_digit_is_in_both_parts():
    for _, labels in ug.datasets.load_digits():
        assert np.unique(labels).tolist() == list(range(10))


def test_what_the_caller_writes_does_not_reach_the_next_caller():
    (first, _), _ = ug.datasets.load_digits()
    first[:] = -1
    (second, _), _ = ug.datasets.load_digits()
    assert second.min() == 0


@pytest.mark.parametrize("word", ["Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0"])
def test_source_and_licence_lie_beside_the_data(word):
    assert word in resources.files("unitgain").joinpath("data/digits.txt").read_text()
