"""Writes tests/reference/onnx/: ONNX files as other libraries write them, with what they compute.

Versions of the present files: PyTorch 2.13.0, onnxscript 0.7.2, Keras 3.15.1 on PyTorch, skl2onnx
1.20.0 with scikit-learn 1.9.1. Each file `name.onnx` goes with `name.npz`: inputs by their names,
and the outputs of the library itself as `output_0`, `output_1` ...

    pip install torch onnxscript keras skl2onnx onnx
    KERAS_BACKEND=torch python tests/reference/onnx_files.py
"""

import os
import tempfile
import warnings

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import onnx
import skl2onnx
import torch
from onnx_saving import save
from sklearn.datasets import make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn


class Residual(nn.Module):
    """A block with a skip connection, and two outputs."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.norm = nn.BatchNorm1d(8)
        self.second = nn.Linear(8, 8)
        self.scaled = nn.LayerNorm(8)
        self.head = nn.Linear(16, 3)
        self.other = nn.Linear(8, 1, bias=False)

    def forward(self, x):
        hidden = torch.relu(self.norm(self.first(x)))
        hidden = hidden + self.scaled(self.second(hidden))
        both = torch.cat([hidden, torch.tanh(hidden)], dim=1)
        return torch.softmax(self.head(both), dim=-1), self.other(hidden)


class Flattened(nn.Module):
    """Sizes read from the batch, and operators of two inputs."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.dense = nn.Linear(12, 5)
        self.slope = nn.PReLU(5)

    def forward(self, index, x):
        rows = self.table(index)
        rows = rows.view(rows.size(0), -1)
        made = self.slope(self.dense(rows))
        return torch.maximum(made, x) * (made - x) / 2.0


ACTIVATIONS = {
    "celu": nn.CELU(0.7),
    "elu": nn.ELU(0.8),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU("tanh"),
    "hardsigmoid": nn.Hardsigmoid(),
    "hardswish": nn.Hardswish(),
    "hardtanh": nn.Hardtanh(),
    "leaky_relu": nn.LeakyReLU(0.05),
    "log_softmax": nn.LogSoftmax(-1),
    "logsigmoid": nn.LogSigmoid(),
    "mish": nn.Mish(),
    "relu6": nn.ReLU6(),
    "selu": nn.SELU(),
    "sigmoid": nn.Sigmoid(),
    "silu": nn.SiLU(),
    "softmax": nn.Softmax(-1),
    "softplus": nn.Softplus(),
    "softsign": nn.Softsign(),
    "tanh": nn.Tanh(),
}


class Activations(nn.Module):
    """Each activation of the same, one output each."""

    def forward(self, x):
        return tuple(module(x) for module in self.modules_of)

    def __init__(self):
        super().__init__()
        self.modules_of = nn.ModuleList(ACTIVATIONS.values())


def torch_files():
    torch.manual_seed(0)
    mlp = nn.Sequential(
        nn.Linear(4, 8), nn.GELU(), nn.Dropout(0.2), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 2)
    )
    residual = Residual()
    residual.train()
    for _ in range(3):
        residual(torch.randn(32, 6) * 2 + 1)
    cases = {
        "mlp": (mlp, [torch.randn(5, 4)]),
        "residual": (residual, [torch.randn(5, 6)]),
        "flattened": (Flattened(), [torch.randint(0, 10, (5, 3)), torch.randn(5, 5)]),
        "activations": (Activations(), [torch.randn(5, 7) * 3]),
        "double": (
            nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.LayerNorm(6), nn.Linear(6, 1)).double(),
            [torch.randn(5, 4).double()],
        ),
        "half": (
            nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 3), nn.Softmax(-1)).half(),
            [torch.randn(5, 4).half()],
        ),
    }
    for name, (module, inputs) in cases.items():
        module.eval()
        with torch.no_grad():
            outputs = module(*inputs)
        outputs = [o.numpy() for o in (outputs if isinstance(outputs, tuple) else [outputs])]
        names = [f"x{i}" for i in range(len(inputs))]
        for exporter in ("script", "dynamo"):
            with tempfile.TemporaryDirectory() as folder:
                path = f"{folder}/m.onnx"
                given = {"input_names": names, "verbose": False}
                if exporter == "script":
                    axes = {one: {0: "batch"} for one in names}
                    torch.onnx.export(
                        module, tuple(inputs), path, dynamo=False, dynamic_axes=axes, **given
                    )
                else:
                    batch = torch.export.Dim("batch")
                    shapes = tuple({0: batch} for _ in inputs)
                    torch.onnx.export(
                        module,
                        tuple(inputs),
                        path,
                        dynamo=True,
                        dynamic_shapes=shapes,
                        external_data=False,
                        **given,
                    )
                save(f"torch_{exporter}_{name}", onnx.load(path), inputs, outputs)


def keras_files():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    x = layers.Input((6,), name="features")
    y = layers.Dense(8, activation="gelu", name="wide")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.Dropout(0.3)(y)
    y = layers.add([y, layers.Dense(8, "relu", name="skipped")(y)])
    model = keras.Model(x, layers.Dense(3, "softmax", name="classes")(y))
    rng = np.random.default_rng(0)
    model.get_layer("norm").set_weights(rng.uniform(0.5, 1.5, (4, 8)))
    inputs = rng.normal(size=(5, 6)).astype("float32")
    outputs = np.asarray(keras.ops.convert_to_numpy(model(inputs)))
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/m.onnx"
        model.export(path, format="onnx", verbose=False)
        save("keras_torch", onnx.load(path), [inputs], [outputs])


def sklearn_files():
    rng = np.random.default_rng(0)
    x, classes = make_classification(
        200, 6, n_informative=4, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    x = x.astype(np.float32) * 3 + 1
    two = (classes > 0).astype(int)
    amounts = x @ rng.normal(size=(6, 2))
    options = {"hidden_layer_sizes": (7,), "max_iter": 50, "random_state": 0}
    cases = {
        "mlp_classifier": make_pipeline(StandardScaler(), MLPClassifier(**options)).fit(x, classes),
        "mlp_binary": MLPClassifier(activation="tanh", **options).fit(x, two),
        "mlp_regressor": MLPRegressor(activation="logistic", **options).fit(x, amounts[:, 0]),
        "linear": LinearRegression().fit(x, amounts),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()).fit(x, classes),
    }
    kind = skl2onnx.common.data_types.FloatTensorType([None, 6])
    for name, model in cases.items():
        for zipmap in (True, False) if name == "mlp_classifier" else (False,):
            options = {id(model): {"zipmap": zipmap}} if hasattr(model, "predict_proba") else None
            made = skl2onnx.convert_sklearn(
                model, initial_types=[("x", kind)], options=options, target_opset=18
            )
            predict = getattr(model, "predict_proba", model.predict)
            label = f"sklearn_{name}" + ("_zipmap" if zipmap else "")
            save(label, made, [x[:5]], [predict(x[:5])])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch_files()
    keras_files()
    sklearn_files()
