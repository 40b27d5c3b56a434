"""Signal health: what a network's values and gradients are like on their way, layer by layer."""

from unitgain.signals.limits import LIMITS, VERDICTS, Limit
from unitgain.signals.measures import Distribution, LayerSignals
from unitgain.signals.report import Report

__all__ = ["LIMITS", "VERDICTS", "Distribution", "LayerSignals", "Limit", "Report"]
