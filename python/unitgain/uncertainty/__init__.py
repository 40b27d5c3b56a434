"""When a network may be believed: calibration, ensembles, strange samples, conformal prediction."""

from unitgain.uncertainty.calibration import (
    Reliability,
    brier_score,
    expected_calibration_error,
    maximum_calibration_error,
    negative_log_likelihood,
    plot_reliability,
    reliability,
)
from unitgain.uncertainty.conformal import ConformalIntervals, ConformalSets, conformal_quantile
from unitgain.uncertainty.ensemble import Ensemble, seeded, train_many
from unitgain.uncertainty.novelty import (
    OutOfDistribution,
    aurc,
    auroc,
    fpr_at_tpr,
    rejection_threshold,
)
from unitgain.uncertainty.scaling import (
    IsotonicCalibration,
    PlattScaling,
    TemperatureScaling,
    VectorScaling,
)
from unitgain.uncertainty.spread import Uncertainty, monte_carlo, summarize

__all__ = [
    "ConformalIntervals",
    "ConformalSets",
    "Ensemble",
    "IsotonicCalibration",
    "OutOfDistribution",
    "PlattScaling",
    "Reliability",
    "TemperatureScaling",
    "Uncertainty",
    "VectorScaling",
    "aurc",
    "auroc",
    "brier_score",
    "conformal_quantile",
    "expected_calibration_error",
    "fpr_at_tpr",
    "maximum_calibration_error",
    "monte_carlo",
    "negative_log_likelihood",
    "plot_reliability",
    "rejection_threshold",
    "reliability",
    "seeded",
    "summarize",
    "train_many",
]
