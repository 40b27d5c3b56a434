"""What a training run tells, and to whom."""

from unitgain.callbacks.base import Callback, History

__all__ = ["Callback", "History"]
