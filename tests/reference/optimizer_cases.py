"""Variables, gradients and settings on which the optimizers are compared."""

import numpy as np

DTYPES = ("float32", "float64")
STOPS = (10, 100)  # steps after which the variables are compared

_rng = np.random.default_rng(20)
START = {
    "dense_kernel": _rng.standard_normal((5, 3)).astype(np.float32),
    "dense_bias": _rng.standard_normal(3).astype(np.float32),
    "wide_kernel": _rng.standard_normal((2, 4)).astype(np.float32),
    "embedding_table": _rng.standard_normal((2, 3)).astype(np.float32),
}


def gradients(step: int) -> list[np.ndarray]:
    """Return a step's gradients: exact in float32, with a mean that the noise does not hide."""
    rng = np.random.default_rng(step)
    return [
        (0.5 * np.sign(value) + rng.standard_normal(value.shape)).astype(np.float32)
        for value in START.values()
    ]


CASES = {
    "sgd": ("SGD", {"learning_rate": 0.05}),
    "sgd momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "sgd nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {"learning_rate": 0.1}),
    "adagrad settings": (
        "Adagrad",
        {"learning_rate": 0.1, "initial_accumulator_value": 0.5, "epsilon": 1e-3},
    ),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "adadelta settings": ("Adadelta", {"learning_rate": 0.5, "rho": 0.8, "epsilon": 1e-4}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01}),
    "rmsprop momentum": ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5}),
    "rmsprop centered": ("RMSprop", {"learning_rate": 0.01, "centered": True, "epsilon": 1e-3}),
    "rmsprop centered momentum": (
        "RMSprop",
        {"learning_rate": 0.01, "rho": 0.8, "centered": True, "momentum": 0.5, "epsilon": 1e-3},
    ),
    "adam": ("Adam", {"learning_rate": 0.01}),
    "adam settings": (
        "Adam",
        {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    ),
    "adam amsgrad": ("Adam", {"learning_rate": 0.01, "beta_2": 0.9, "amsgrad": True}),
    "adamw": ("AdamW", {"learning_rate": 0.01}),
    "adamw amsgrad": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1, "amsgrad": True}),
    "adamax": ("Adamax", {"learning_rate": 0.01}),
    "nadam": ("Nadam", {"learning_rate": 0.01}),
    "lion": ("Lion", {"learning_rate": 0.01, "weight_decay": 0.5}),
    "muon": ("Muon", {"learning_rate": 0.01, "exclude_layers": ["wide"]}),
    "muon plain": ("Muon", {"learning_rate": 0.01, "nesterov": False, "rms_rate": None}),
    "muon settings": (
        "Muon",
        {
            "learning_rate": 0.02,
            "ns_steps": 3,
            "momentum": 0.8,
            "weight_decay": 0.1,
            "adam_weight_decay": 0.2,
            "adam_lr_ratio": 0.5,
            "clipnorm": 1.0,
            "use_ema": True,
        },
    ),
    "lamb": ("Lamb", {"learning_rate": 0.01}),
    "lamb settings": (
        "Lamb",
        {
            "learning_rate": 0.02,
            "beta_1": 0.8,
            "beta_2": 0.95,
            "epsilon": 1e-3,
            "weight_decay": 0.1,
            "use_ema": True,
        },
    ),
    "ftrl": ("Ftrl", {"learning_rate": 0.1}),
    "ftrl settings": (
        "Ftrl",
        {
            "learning_rate": 0.2,
            "learning_rate_power": -0.7,
            "initial_accumulator_value": 0.5,
            "l1_regularization_strength": 0.3,
            "l2_regularization_strength": 0.1,
            "l2_shrinkage_regularization_strength": 0.05,
            "beta": 0.4,
        },
    ),
    "ftrl constant": ("Ftrl", {"learning_rate": 0.05, "learning_rate_power": 0.0}),
    "adafactor": ("Adafactor", {"learning_rate": 0.05}),
    "adafactor settings": (
        "Adafactor",
        {
            "learning_rate": 0.2,
            "beta_2_decay": -0.5,
            "epsilon_1": 1e-6,
            "epsilon_2": 0.5,
            "clip_threshold": 0.4,
            "relative_step": False,
            "weight_decay": 0.1,
            "clipvalue": 0.8,
        },
    ),
    "weight decay": ("SGD", {"learning_rate": 0.05, "weight_decay": 0.1}),
    "clipnorm": ("SGD", {"learning_rate": 0.05, "clipnorm": 1.5}),
    "clipvalue": ("Adam", {"learning_rate": 0.01, "clipvalue": 0.5}),
    "global clipnorm": ("RMSprop", {"learning_rate": 0.01, "global_clipnorm": 2.0}),
    "ema": ("SGD", {"learning_rate": 0.05, "use_ema": True, "ema_momentum": 0.9}),
    "ema overwrite": (
        "Adam",
        {
            "learning_rate": 0.05,
            "weight_decay": 0.1,
            "global_clipnorm": 1.0,
            "use_ema": True,
            "ema_momentum": 0.8,
            "ema_overwrite_frequency": 7,
        },
    ),
}
