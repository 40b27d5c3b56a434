"""Models on more than one process or machine, by the engines that people have for that.

>>> import unitgain as ug
>>> ug.distribution.distribution() is None  # each process trains by itself
True

In a program that ``mpiexec -n 4 python train.py`` starts, one line shares ``fit``, ``evaluate`` and
``train_on_batch`` of all models that come behind it::

    ug.distribution.set_distribution(ug.distribution.DataParallel())
"""

from unitgain.distribution.data_parallel import DataParallel, distribution, set_distribution
from unitgain.distribution.scoring import predict

__all__ = [
    "DataParallel",
    "distribution",
    "predict",
    "set_distribution",
]
