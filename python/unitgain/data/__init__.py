"""Data before training: splits, class weights, one-hot targets, and mixtures of samples.

This folder also holds the data set that comes with the package, see :mod:`unitgain.datasets`.
"""

from unitgain.data.mixing import CutMix, MixUp
from unitgain.data.splitting import class_weights, to_categorical, train_test_split

__all__ = ["CutMix", "MixUp", "class_weights", "to_categorical", "train_test_split"]
