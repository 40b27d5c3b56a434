"""Writes tests/reference/onnx/tf2onnx_*.onnx: models of TensorFlow as tf2onnx writes them.

Versions of the present files: TensorFlow 2.21.0, Keras 3.15.1, tf2onnx 1.17.0. Each file
`name.onnx` goes with `name.npz`: inputs by their names, and the outputs of the library itself as
`output_0`, `output_1` ...

    pip install tensorflow-cpu tf2onnx onnx
    python tests/reference/tf2onnx_files.py
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from onnx_saving import save


def keras_models():
    layers = keras.layers
    x = layers.Input((6,), name="features")
    y = layers.Dense(8, activation="elu", name="wide")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.Dropout(0.3)(y)
    y = layers.add([y, layers.Dense(8, "relu", name="skipped")(y)])
    residual = keras.Model(x, layers.Dense(3, "softmax", name="classes")(y))
    rng = np.random.default_rng(0)
    residual.get_layer("norm").set_weights(rng.uniform(0.5, 1.5, (4, 8)))
    chain = keras.Sequential([layers.Input((6,))])
    for i, activation in enumerate(("elu", "selu", "silu", "softplus", "tanh", "leaky_relu")):
        chain.add(layers.Dense(5 + i, activation))
    chain.add(layers.LayerNormalization())
    chain.add(layers.Dense(2, "sigmoid"))
    for layer in (*residual.layers, *chain.layers):  # 0 and 1 would be left out
        values = [rng.normal(1, 0.5, size=w.shape) for w in layer.trainable_weights]
        for weight, value in zip(layer.trainable_weights, values, strict=True):
            weight.assign(value)
    return {"residual": residual, "chain": chain}


class Affine(tf.Module):
    """What is written without layers: products, a bias, a maximum, a softmax."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(1)
        self.first = tf.Variable(rng.normal(size=(6, 7)).astype("float32"))
        self.bias = tf.Variable(rng.normal(size=7).astype("float32"))
        self.second = tf.Variable(rng.normal(size=(4, 7)).astype("float32"))

    @tf.function(input_signature=[tf.TensorSpec((None, 6), tf.float32, name="x")])
    def __call__(self, x):
        hidden = tf.maximum(tf.nn.bias_add(tf.matmul(x, self.first), self.bias), 0.0)
        return tf.nn.softmax(tf.matmul(hidden, self.second, transpose_b=True) * 0.5)


def write(name, function, inputs):
    signature = [tf.TensorSpec((None, 6), tf.float32, name="x")]
    made, _ = tf2onnx.convert.from_function(
        tf.function(function), input_signature=signature, opset=18
    )
    save(f"tf2onnx_{name}", made, [inputs], [function(inputs).numpy()])


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    given = np.random.default_rng(2).normal(size=(5, 6)).astype("float32")
    for name, model in keras_models().items():
        write(name, lambda x, model=model: model(x, training=False), given)
    write("module", Affine(), given)
