"""Pickles and copies, by the same documents as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unitgain._config import custom_classes, serialize
from unitgain.saving import model as documents
from unitgain.saving.document import Arrays, Document, from_bytes, to_bytes

if TYPE_CHECKING:
    from unitgain.layers.base import Layer
    from unitgain.models.base import Model
    from unitgain.models.predictor import Predictor
    from unitgain.optimizers.base import Optimizer

__all__ = ["reduce_layer", "reduce_model", "reduce_optimizer", "reduce_predictor"]

Reduced = tuple[Any, tuple[bytes, dict[str, Any]]]


def reduce_model(model: Model) -> Reduced:
    """Return how to make a copy of a model: for ``__reduce__``."""
    with custom_classes() as classes:
        content = to_bytes(*documents.model_document(model))
    return _model, (content, classes)


def reduce_layer(layer: Layer) -> Reduced:
    """Return how to make a copy of a layer."""
    with custom_classes() as classes:
        content = to_bytes(*documents.layer_document(layer))
    return _layer, (content, classes)


def reduce_optimizer(optimizer: Optimizer) -> Reduced:
    """Return how to make a copy of an optimizer."""
    with custom_classes() as classes:
        content = to_bytes(*_optimizer_document(optimizer))
    return _optimizer, (content, classes)


def described(model: Model) -> Any:
    """Return a model's architecture with the classes that it needs, or the error that it meets."""
    try:
        with custom_classes() as classes:
            return documents.architecture(model), classes
    except (TypeError, NotImplementedError) as error:
        return error


def reduce_predictor(predictor: Predictor) -> Reduced:
    """Return how to make a copy of a predictor."""
    if isinstance(predictor.architecture, Exception):
        raise TypeError(f"the predictor cannot be copied: {predictor.architecture}")
    document, classes = predictor.architecture
    parameters = predictor.network.parameters
    arrays = {str(i): parameter.array for i, parameter in enumerate(parameters)}
    settings = {"precision": predictor.precision, "name": predictor.name}
    return _predictor, (to_bytes({**document, **settings}, arrays), classes)


def _model(content: bytes, classes: dict[str, Any]) -> Model:
    return documents.model_of(*from_bytes(content), classes)


def _layer(content: bytes, classes: dict[str, Any]) -> Layer:
    return documents.layer_of(*from_bytes(content), classes)


def _optimizer_document(optimizer: Optimizer) -> tuple[Document, Arrays]:
    document: Document = {"optimizer": serialize(optimizer), "state": None}
    document["no_decay"] = optimizer.no_decay_patterns()
    if optimizer.built:
        with optimizer._still():
            document["state"], arrays = documents.optimizer_state(optimizer)
        return document, arrays
    if optimizer.restored is not None:
        document["state"], arrays = optimizer.restored
        return document, arrays
    return document, {}


def _optimizer(content: bytes, classes: dict[str, Any]) -> Optimizer:
    from unitgain import optimizers

    document, arrays = from_bytes(content)
    optimizer = optimizers.deserialize(document["optimizer"], classes)
    if document["no_decay"]:
        optimizer.exclude_from_weight_decay(var_names=document["no_decay"])
    if document["state"] is not None:
        optimizer.restored = document["state"], arrays
    return optimizer


def _predictor(content: bytes, classes: dict[str, Any]) -> Predictor:
    import numpy as np

    from unitgain import _names

    document, arrays = from_bytes(content)
    with (
        _names.custom_objects(classes),
        documents.building(lambda name, shape, dtype: np.zeros(shape, dtype)),
    ):
        model = documents.structure(document)
    model.name = document["name"]
    parameters = model._native_network().parameters
    for i, parameter in enumerate(parameters):
        parameter.array[...] = arrays[str(i)]
    return model.optimize_for_inference(document["precision"])
