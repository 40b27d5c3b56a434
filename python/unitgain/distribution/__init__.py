"""Models on more than one machine, by the engines that people have for that."""

from unitgain.distribution.scoring import predict

__all__ = [
    "predict",
]
