"""Data before training: files larger than memory, splits, class weights, one-hot targets, mixtures.

This folder also holds the data set that comes with the package, see :mod:`unitgain.datasets`.
"""

from unitgain.data.arrow import from_arrow, from_parquet
from unitgain.data.dataset import Dataset, from_npy
from unitgain.data.mixing import CutMix, MixUp
from unitgain.data.splitting import class_weights, to_categorical, train_test_split

__all__ = [
    "CutMix",
    "Dataset",
    "MixUp",
    "class_weights",
    "from_arrow",
    "from_npy",
    "from_parquet",
    "to_categorical",
    "train_test_split",
]
