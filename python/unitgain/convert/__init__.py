"""Models in other programs' forms."""

from unitgain.convert.c_source import export_c
from unitgain.models.exporting import register_format

__all__: list[str] = []

register_format("c", export_c)
del export_c, register_format
