"""Models in files: architecture, weights, optimizer and training settings in one."""

from unitgain.models import load_model, save_model

__all__ = ["load_model", "save_model"]
