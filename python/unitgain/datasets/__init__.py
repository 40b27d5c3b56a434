"""Data sets, as the arrays that ``fit`` and ``evaluate`` take: shipped, or from files at hand."""

from unitgain.datasets.digits import load_digits
from unitgain.datasets.files import Table, load_csv, load_idx, load_mnist, load_npz

__all__ = ["Table", "load_csv", "load_digits", "load_idx", "load_mnist", "load_npz"]
