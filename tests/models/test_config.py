"""Configurations: every object can be made again from what get_config returns."""

import json

import numpy as np
import pytest

import unitgain as ug
from unitgain import initializers, layers, losses, metrics, optimizers

INITIALIZERS = [
    initializers.Zeros(),
    initializers.Constant(2.5),
    initializers.RandomNormal(1.0, 0.5, seed=3),
    initializers.TruncatedNormal(seed=4),
    initializers.RandomUniform(-1, 2, seed=5),
    initializers.VarianceScaling(2.0, "fan_out", "uniform", seed=6),
    initializers.HeNormal(seed=7),
    initializers.Orthogonal(0.5, seed=8),
    initializers.Identity(2.0),
    initializers.FourfoldGlorotNormal(),
]
LAYERS = [
    layers.Input((4, 3), "float64"),
    layers.Dense(5, "gelu", use_bias=False, kernel_initializer=initializers.Constant(0.5)),
    layers.Dense(5, trainable=False, name="frozen"),
    layers.Dense(5, kernel_regularizer="l1", activity_regularizer="l2", bias_constraint="non_neg"),
    layers.ActivityRegularization(0.1, 0.2),
    layers.Activation("tanh"),
    layers.Flatten(),
    layers.ReLU(6, 0.1, 0.5),
    layers.LeakyReLU(0.2),
    layers.ELU(0.7),
    layers.PReLU("ones", alpha_constraint="max_norm", shared_axes=[1]),
    layers.BatchNormalization(1, 0.9, 1e-4, gamma_initializer="he_normal", beta_regularizer="l2"),
    layers.LayerNormalization([1, 2], scale=False),
    layers.GroupNormalization(4, 1, 1e-4, gamma_regularizer="l1", beta_constraint="max_norm"),
    layers.RMSNormalization([-2, -1], 1e-5),
    layers.Dropout(0.25, seed=1),
    layers.AlphaDropout(0.25),
    layers.GaussianDropout(0.25),
    layers.GaussianNoise(0.1),
    layers.Softmax(),
    layers.Rescaling(1 / 255, [1, 2, 3]),
    layers.Normalization(mean=[1.0, 2.0], variance=[3.0, 4.0], invert=True),
    layers.Normalization(axis=None),
    layers.RReLU(0.1, 0.2, seed=9),
]
LOSSES = [
    losses.SparseCategoricalCrossentropy(True, ignore_class=-1),
    losses.CategoricalCrossentropy(True, 0.1, reduction="sum"),
    losses.BinaryCrossentropy(label_smoothing=0.2, name="mine"),
    losses.Huber(0.5),
    losses.GaussianNLL(True, 1e-3, log_variance=True),
    *(getattr(losses, n)() for n in ("MeanSquaredError", "KLDivergence", "Poisson", "LogCosh")),
    losses.BinaryFocalCrossentropy(True, 0.3, 1.5),
    losses.CategoricalFocalCrossentropy([0.1, 0.9], from_logits=True),
    losses.Quantile(0.9),
    losses.Tversky(0.2, axis=(1, 2)),
    losses.Circle(margin=0.3),
    *(getattr(losses, n)() for n in ("Dice", "CosineSimilarity")),
    *(getattr(losses, n)() for n in ("Hinge", "SquaredHinge", "CategoricalHinge")),
]
OPTIMIZERS = [
    optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=1.0),
    optimizers.Adam(0.02, 0.8, 0.9, 1e-5, amsgrad=True, weight_decay=0.1),
    optimizers.AdamW(weight_decay=0.01, use_ema=True, ema_overwrite_frequency=3),
    optimizers.Muon(exclude_layers=["head"], rms_rate=None),
    *(getattr(optimizers, n)() for n in ("Adagrad", "Adadelta", "RMSprop", "Adamax", "Nadam")),
    optimizers.Lion(clipvalue=0.5, gradient_accumulation_steps=4),
    optimizers.Lamb(0.1, epsilon=1e-3),
    optimizers.Ftrl(l1_regularization_strength=0.2, beta=1.0),
    optimizers.Adafactor(clip_threshold=2.0, relative_step=False),
    optimizers.LossScaleOptimizer(optimizers.Adam(0.3), 8.0, name="mine"),
]
METRICS = [metrics.BinaryAccuracy("mine"), metrics.MeanSquaredError(), metrics.get("mae")]
KINDS = {
    initializers: INITIALIZERS,
    layers: LAYERS,
    losses: LOSSES,
    optimizers: OPTIMIZERS,
    metrics: METRICS,
}
CASES = [(module, made) for module, all_made in KINDS.items() for made in all_made]


@pytest.mark.parametrize(
    ("module", "made"), CASES, ids=lambda value: type(value).__name__.removesuffix("module")
)
def test_configuration_makes_the_same_object_again(module, made):
    config = json.loads(json.dumps(module.serialize(made)))
    again = module.deserialize(config)
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
    assert type(made).from_config(made.get_config()).get_config() == made.get_config()


@pytest.mark.parametrize("module", [initializers, losses, optimizers, metrics])
def test_get_takes_configurations(module):
    made = KINDS[module][0]
    again = module.get({"class_name": type(made).__name__, "config": made.get_config()})
    assert again.get_config() == made.get_config()


def test_get_takes_configurations_as_keras_writes_them():
    config = {
        "module": "keras.initializers",
        "class_name": "HeNormal",
        "config": {"seed": 5},
        "registered_name": None,
    }
    kernel = layers.Dense(3, kernel_initializer=config)
    kernel.ensure_built((4,), "float32")
    np.testing.assert_array_equal(kernel.kernel, initializers.HeNormal(5)((4, 3)))


def test_models_are_made_again_from_their_configuration():
    model = ug.Sequential(
        [
            layers.Input((4,)),
            layers.Dense(3, "relu", name="a"),
            layers.Dropout(0.5),
            layers.Dense(2),
        ]
    )
    again = ug.Sequential.from_config(json.loads(json.dumps(model.get_config())))
    assert again.get_config() == model.get_config()
    assert [w.name for w in again.weights] == [w.name for w in model.weights]
    other = ug.models.model_from_json(model.to_json())
    assert other.get_config() == model.get_config()


class Doubling(layers.Layer):
    def __init__(self, times, name=None):
        super().__init__(name)
        self.count = times

    def get_config(self):
        return {**super().get_config(), "times": self.count}


class Forgetful(layers.Layer):
    def __init__(self, times, name=None):
        super().__init__(name)


def test_classes_of_ones_own_are_found_among_custom_objects():
    config = layers.serialize(Doubling(3, name="mine"))
    assert config["config"] == {"times": 3, "name": "mine", "trainable": True}
    with pytest.raises(ValueError, match="Doubling"):
        layers.deserialize(config)
    again = layers.deserialize(config, {"Doubling": Doubling})
    assert again.count == 3
    with pytest.raises(NotImplementedError, match="times"):
        Forgetful(3).get_config()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"class_name": "Densee", "config": {}}, "did you mean 'Dense'"),
        ({"class_name": "Dense", "config": {"units": 3, "activaton": "relu"}}, "'activation'"),
        ({"class_name": "Dense", "config": {"units": 3, "activation": "relv"}}, "relu"),
        ({"class_name": "Dense", "config": []}, "class_name and a config"),
        ({"config": {}}, "class_name and a config"),
        ({"class_name": "Dropout", "config": {"rate": 2}}, "rate must be"),
    ],
)
def test_what_a_configuration_cannot_mean_is_said(config, message):
    with pytest.raises(ValueError, match=message):
        layers.deserialize(config)
