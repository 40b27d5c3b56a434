"""The schedules that schedules.py evaluates, and the steps."""

STEPS = [0, 1, 2, 5, 9, 10, 11, 19, 20, 21, 29, 30, 31, 45, 69, 70, 71, 100, 150, 151, 1000]

_DECAY = {"initial_learning_rate": 0.3, "decay_steps": 10, "decay_rate": 0.6}
_POLYNOMIAL = {"initial_learning_rate": 0.3, "decay_steps": 20, "end_learning_rate": 0.01}
_COSINE = {"initial_learning_rate": 0.3, "decay_steps": 30}
_RESTARTS = {"initial_learning_rate": 0.3, "first_decay_steps": 10}
CASES = [
    ("ExponentialDecay", _DECAY),
    ("ExponentialDecay", {**_DECAY, "staircase": True}),
    ("InverseTimeDecay", _DECAY),
    ("InverseTimeDecay", {**_DECAY, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [10, 30], "values": [1.0, 0.5, 0.1]}),
    ("PolynomialDecay", _POLYNOMIAL),
    ("PolynomialDecay", {**_POLYNOMIAL, "power": 2.5}),
    ("PolynomialDecay", {**_POLYNOMIAL, "power": 0.5, "cycle": True}),
    ("CosineDecay", _COSINE),
    ("CosineDecay", {**_COSINE, "alpha": 0.2}),
    ("CosineDecay", {**_COSINE, "alpha": 0.1, "warmup_target": 0.9, "warmup_steps": 11}),
    ("CosineDecayRestarts", _RESTARTS),
    ("CosineDecayRestarts", {**_RESTARTS, "t_mul": 1.0, "m_mul": 0.8, "alpha": 0.1}),
    ("CosineDecayRestarts", {**_RESTARTS, "t_mul": 1.5, "m_mul": 0.5, "alpha": 0.05}),
]

ONE_CYCLES = [
    {"max_lr": 0.5, "total_steps": 40},
    {"max_lr": 0.5, "total_steps": 41, "anneal_strategy": "linear", "pct_start": 0.45},
    {"max_lr": 2.0, "total_steps": 50, "three_phase": True, "div_factor": 10.0},
    {
        "max_lr": 1.0,
        "total_steps": 33,
        "final_div_factor": 100.0,
        "base_momentum": 0.8,
        "max_momentum": 0.99,
    },
]
