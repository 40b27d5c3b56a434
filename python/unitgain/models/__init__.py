"""Models: layers that are trained and run together."""

from unitgain.models.base import Model
from unitgain.models.sequential import Sequential

__all__ = ["Model", "Sequential"]
