"""Networks with penalties and constraints, for Keras and for unitgain alike, and data for them."""

import numpy as np

SAMPLES, BATCH, EPOCHS = 22, 8, 5


def dense(**arguments):
    """Return arguments for the first layer alone."""
    return {"first": arguments}


# Of each case: arguments of the layers, the optimizer with its arguments; (kind, arguments) of
# "regularizers" and "constraints" are made by build().
L1, L2 = ("L1", {"l1": 0.02}), ("L2", {"l2": 0.05})
BOTH = ("L1L2", {"l1": 0.01, "l2": 0.03})
ROWS = ("OrthogonalRegularizer", {"factor": 0.4})
COLUMNS = ("OrthogonalRegularizer", {"factor": 0.4, "mode": "columns"})
SGD = ("SGD", {"learning_rate": 0.1})
MOMENTUM = ("SGD", {"learning_rate": 0.05, "momentum": 0.9})
ADAM = ("Adam", {"learning_rate": 0.02})
EVERYWHERE = {
    "first": {"kernel_regularizer": BOTH, "bias_regularizer": L2},
    "norm": {"beta_regularizer": L1, "gamma_regularizer": L2},
    "slopes": {"alpha_regularizer": L2},
    "last": {"kernel_regularizer": ROWS, "bias_regularizer": L1},
}
HELD = {
    "first": {"kernel_constraint": ("MaxNorm", {"max_value": 0.8}), "bias_constraint": "NonNeg"},
    "norm": {"beta_constraint": "NonNeg", "gamma_constraint": ("MaxNorm", {"max_value": 1.5})},
    "slopes": {"alpha_constraint": "NonNeg"},
    "last": {
        "kernel_constraint": ("MinMaxNorm", {"min_value": 0.7, "max_value": 0.9, "rate": 0.5}),
        "bias_constraint": ("UnitNorm", {}),
    },
}
CASES = {
    "l1": (dense(kernel_regularizer=L1), MOMENTUM),
    "l2": (dense(kernel_regularizer=L2), ADAM),
    "l1 l2": (dense(kernel_regularizer=BOTH, bias_regularizer=L2), SGD),
    "by name": (dense(kernel_regularizer="l1", bias_regularizer="l2"), SGD),
    "rows": (dense(kernel_regularizer=ROWS), SGD),
    "columns": (dense(kernel_regularizer=COLUMNS), ADAM),
    "everywhere": (EVERYWHERE, MOMENTUM),
    "clipvalue": (EVERYWHERE, ("Adam", {"learning_rate": 0.02, "clipvalue": 0.05})),
    "clipnorm": (EVERYWHERE, ("SGD", {"learning_rate": 0.1, "clipnorm": 0.2})),
    "global clipnorm": (
        EVERYWHERE,
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "global_clipnorm": 0.3}),
    ),
    "decay": (EVERYWHERE, ("AdamW", {"learning_rate": 0.02, "weight_decay": 0.3})),
    "frozen": ({**EVERYWHERE, "first": {**EVERYWHERE["first"], "trainable": False}}, SGD),
    "max norm": (dense(kernel_constraint=("MaxNorm", {"max_value": 0.8})), MOMENTUM),
    "unit norm of rows": (dense(kernel_constraint=("UnitNorm", {"axis": 1})), ADAM),
    "unit norm of all": (dense(kernel_constraint=("UnitNorm", {"axis": [0, 1]})), ADAM),
    "non negative": (dense(kernel_constraint="NonNeg", bias_constraint="non_neg"), ADAM),
    "held": (HELD, MOMENTUM),
    "held and averaged": (
        HELD,
        ("Adam", {"learning_rate": 0.02, "use_ema": True, "ema_momentum": 0.7,
                  "ema_overwrite_frequency": 4}),
    ),
    "both": (
        {name: {**EVERYWHERE[name], **HELD[name]} for name in HELD},
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "global_clipnorm": 0.3}),
    ),
    "activities": (
        {"first": {"activity_regularizer": BOTH}, "last": {"activity_regularizer": "l2"}},
        MOMENTUM,
    ),
    "activities of a frozen layer": (
        {"first": {"activity_regularizer": L2, "trainable": False}, "norm": {"trainable": False}},
        SGD,
    ),
    "accumulated": (
        EVERYWHERE,
        ("Adam", {"learning_rate": 0.02, "gradient_accumulation_steps": 2}),
    ),
    "accumulated, clipped and averaged": (
        {name: {**EVERYWHERE[name], **HELD[name]} for name in HELD},
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "clipvalue": 0.1, "use_ema": True,
                 "ema_momentum": 0.7, "ema_overwrite_frequency": 2,
                 "gradient_accumulation_steps": 4}),
    ),
    "accumulated nadam": (
        {},
        ("Nadam", {"learning_rate": 0.02, "gradient_accumulation_steps": 3, "weight_decay": 0.1}),
    ),
    "muon": (
        {**EVERYWHERE, "first": {"kernel_regularizer": ROWS, "kernel_constraint": "NonNeg"}},
        ("Muon", {"learning_rate": 0.01, "gradient_accumulation_steps": 2}),
    ),
}  # fmt: skip
# Keras takes these norms in float32.
ROUGH = ("clipnorm", "global clipnorm", "both", "muon")


def made(library, arguments):
    """Return layer arguments with regularizers and constraints of the library in them."""
    found = {}
    for name, value in arguments.items():
        if isinstance(value, tuple):
            module = library.regularizers if "regularizer" in name else library.constraints
            value = getattr(module, value[0])(**value[1])
        found[name] = value
    return found


def build(library, name):
    """Return a case's compiled model, of Keras or of unitgain, with weights of its own."""
    layers, optimizer = CASES[name]
    given = {layer: made(library, arguments) for layer, arguments in layers.items()}
    model = library.Sequential(
        [
            library.layers.Input((5,), dtype="float64"),
            library.layers.Dense(6, activation="tanh", name="first", **given.get("first", {})),
            library.layers.BatchNormalization(name="norm", **given.get("norm", {})),
            library.layers.PReLU(name="slopes", **given.get("slopes", {})),
            library.layers.Dense(3, name="last", **given.get("last", {})),
        ]
    )
    rng = np.random.default_rng(1)
    arrays = [0.4 * rng.standard_normal(w.shape) for w in model.get_weights()]
    model.set_weights([np.abs(w) + 0.5 if w.ndim == 1 else w for w in arrays])
    kind, arguments = optimizer
    model.compile(getattr(library.optimizers, kind)(**arguments), loss="mse")
    return model


def data():
    """Return inputs and targets."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((SAMPLES, 5)), rng.standard_normal((SAMPLES, 3))


def run(model):
    """Train; return the losses of epochs and of an evaluation, the penalties, and the weights."""
    x, y = data()
    penalties = [float(value) for value in model.losses]  # none of activities before a call
    before = model.evaluate(x, y, batch_size=BATCH, verbose=0)
    history = model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0)
    after = model.evaluate(x, y, batch_size=BATCH, verbose=0)
    return {
        "losses": np.array([before, *history.history["loss"], after]),
        "penalties": np.array(penalties),
        "weights": np.concatenate([np.ravel(w) for w in model.get_weights()]),
        "steps": np.array(int(model.optimizer.iterations)),
    }
