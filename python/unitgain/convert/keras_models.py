"""Models as models of Keras 3, on whatever backend that has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unitgain._extras import needed
from unitgain.convert.graphs import located
from unitgain.layers import Input, Layer, Normalization
from unitgain.models import Model, Sequential

__all__ = ["to_keras"]

# Initial values: the weights come later.
_LEFT_OUT = ("initializer", "learning_rate_multiplier")


def to_keras(model: Model) -> Any:
    """Return a Keras model of the same layers, with copies of the weights.

    Penalties, constraints and ``trainable`` go along; loss and optimizer stay behind: compile it.

    Args:
        model: a model that has its weights.

    Returns:
        A ``keras.Sequential`` of a :class:`~unitgain.Sequential`, and else a ``keras.Model``.

    Raises:
        ValueError: if the model has no weights yet, or Keras has no counterpart of a layer; the
            message names it.
        ImportError: if Keras is not installed.
    """
    keras = needed("keras", "keras", "to_keras")
    function = model.function
    made: dict[int, Any] = {}
    tensors: dict[int, Any] = {}
    for tensor in function.inputs.tensors:
        dtype = getattr(tensor, "values_dtype", tensor.dtype)
        tensors[id(tensor)] = keras.Input(tensor.sample_shape, dtype=dtype, name=tensor.name)
    inputs = function.inputs.pack([tensors[id(t)] for t in function.inputs.tensors])
    for node in function.nodes:
        layer = node.layer
        with located(layer.name):
            if id(layer) not in made:
                made[id(layer)] = _operation(keras, layer)
            given = [tensors[id(tensor)] for tensor in node.data_inputs]
            keywords = {} if node.training is None else {"training": node.training}
            masks = [tensors[id(m)] for m in node.inputs[len(given) :] if id(m) in tensors]
            if masks:  # others come along with what Keras makes of the inputs
                keywords["mask"] = masks[0]
            output = made[id(layer)](given if node.several else given[0], **keywords)
        several = output if isinstance(output, (list, tuple)) else [output]
        tensors |= {id(t): o for t, o in zip(node.data_outputs, several, strict=True)}
    if isinstance(model, Sequential):
        chain = keras.Sequential([inputs, *made.values()], name=model.name)
    else:
        outputs = function.outputs.pack([tensors[id(t)] for t in function.outputs.tensors])
        chain = keras.Model(inputs, outputs, name=model.name)
    for node in function.nodes:
        if isinstance(node.layer, Layer) and not isinstance(node.layer, Normalization):
            made[id(node.layer)].set_weights(node.layer.get_weights())
    return chain


def _operation(keras: Any, layer: Any) -> Any:
    """Return Keras's layer, or model, like one of ours; without its weights."""
    if not isinstance(layer, Layer):
        return to_keras(layer)
    kind = getattr(keras.layers, type(layer).__name__, None)
    if (
        kind is None
        or isinstance(layer, Input)
        or not type(layer).__module__.startswith("unitgain.")
    ):
        raise ValueError(f"a {type(layer).__name__} has no counterpart in Keras")
    config = {
        key: _object(keras, key, value)
        for key, value in layer.get_config().items()
        if not key.endswith(_LEFT_OUT)
    }
    if isinstance(layer, Normalization):
        moments = {"mean": layer.mean, "variance": layer.variance}
        config |= {k: float(a[0]) if layer.axis is None else a.tolist() for k, a in moments.items()}
    try:
        return kind(**config, dtype=layer.dtype)
    except TypeError as error:
        raise ValueError(f"Keras's {type(layer).__name__} is made otherwise: {error}") from error


def _object(keras: Any, key: str, value: Any) -> Any:
    """Return an argument with Keras's objects for ours."""
    if not (isinstance(value, Mapping) and "class_name" in value):
        return value
    ending = key.rpartition("_")[2]
    places = {"activation": keras.layers, "layer": keras.layers}
    places |= {"regularizer": keras.regularizers, "constraint": keras.constraints}
    kind = getattr(places.get(ending), value["class_name"], None)
    if kind is None:
        raise ValueError(f"its {key} is a {value['class_name']}, which Keras has not")
    return kind(**value["config"])
