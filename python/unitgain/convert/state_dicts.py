"""State dicts of PyTorch: its names and layouts beside those of the layers here."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain import _names
from unitgain._extras import needed
from unitgain.convert.graphs import located
from unitgain.formats import safetensors
from unitgain.graph.variables import Variable
from unitgain.layers import PReLU

__all__ = ["TRANSPOSED", "array_of", "load_state_dict", "parameter_names"]

_AFFINE = {"gamma": "weight", "beta": "bias"}
# By our layer's class: PyTorch's name of the parameter or buffer for each weight.
PARAMETERS: dict[str, dict[str, str]] = {
    "BatchNormalization": {
        **_AFFINE,
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    },
    "Dense": {"kernel": "weight", "bias": "bias"},
    "Embedding": {"embeddings": "weight"},
    "GroupNormalization": _AFFINE,
    "LayerNormalization": _AFFINE,
    "PReLU": {"alpha": "weight"},
    "RMSNormalization": {"scale": "weight"},
}
# A Linear's weight is (outputs, inputs), a Dense's kernel (inputs, outputs).
TRANSPOSED = frozenset({"kernel"})
# Buffers that say nothing of what a module computes.
_COUNTS = frozenset({"num_batches_tracked"})


def parameter_names(layer: Any) -> dict[str, Variable]:
    """Return a layer's weights by the names that PyTorch has for them.

    Raises:
        ValueError: if PyTorch has no module like the layer.
    """
    if not layer.weights:
        return {}
    table = PARAMETERS.get(type(layer).__name__)
    if table is None:
        raise ValueError(
            f"{layer.name} is a {type(layer).__name__}, of which PyTorch has no counterpart"
        )
    return {table[_short(variable)]: variable for variable in layer.weights}


def _short(variable: Variable) -> str:
    return variable.name.rpartition("/")[2]


def array_of(tensor: Any) -> NDArray[Any]:
    """Return a tensor's values, or an array's; those of bfloat16 as float32."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        if str(tensor.dtype) == "torch.bfloat16":
            tensor = tensor.float()
        tensor = tensor.numpy()
    return np.asarray(tensor)


def matched(layer: Any, tensors: Mapping[str, Any]) -> list[tuple[Variable, NDArray[Any]]]:
    """Return a layer's weights with their arrays from a module's parameters and buffers.

    Raises:
        ValueError: if one is missing, left over, or of another shape.
    """
    found = []
    variables = parameter_names(layer)
    left = tensors.keys() - variables.keys() - _COUNTS
    if left:
        raise ValueError(f"{layer.name} has no weight for {min(left)!r}")
    for name, variable in variables.items():
        if name not in tensors:
            raise ValueError(f"there is no {name!r} for {variable.name}")
        array = array_of(tensors[name])
        if _short(variable) in TRANSPOSED and array.ndim == 2:
            array = array.T
        if isinstance(layer, PReLU) and array.size == variable.array.size:
            array = array.reshape(variable.shape)  # one slope for each feature, or for all
        if array.shape != variable.shape:
            raise ValueError(
                f"{name!r} has shape {array_of(tensors[name]).shape}, which does not fit "
                f"{variable.name} of shape {variable.shape}"
            )
        found.append((variable, array))
    return found


def load_state_dict(
    model: Any,
    state: Mapping[str, Any] | str | os.PathLike[str],
    names: Mapping[str, str] | None = None,
) -> None:
    """Set a model's weights from a state dict of PyTorch.

    Names and layouts are PyTorch's: of ``net.0.weight`` and ``net.0.bias`` a
    :class:`~unitgain.layers.Dense` gets the kernel, transposed, and the bias, whatever their
    shapes. A module is the layer's of its name (with ``_`` for ``.``), if all layers with weights
    have such names; else modules are taken in the state's order for these layers in theirs. A
    safetensors file keeps no order, nor does what is read from it: there it is that of the numbers
    that ``nn.Sequential`` gives, and other modules must be named.

    Args:
        model: a model that has its weights.
        state: tensors or arrays by name; or a file of them, ``.safetensors``, or ``.pt`` as
            ``torch.save(module.state_dict())`` writes it, which is read with ``weights_only=True``
            and needs the extra ``torch``. Numbers of 16 bits are taken, too.
        names: modules' paths by our layers' names, ``{"dense": "net.0"}``, for all layers with
            weights.

    Raises:
        ValueError: if a module is missing or left over, or does not fit its layer; nothing is
            changed then.
        ImportError: if the file is PyTorch's, which is not installed.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> model = ug.Sequential([ug.layers.Input((2,)), ug.layers.Dense(2)])
    >>> state = {"0.weight": np.array([[1.0, 2.0], [3.0, 4.0]]), "0.bias": np.zeros(2)}
    >>> ug.convert.load_state_dict(model, state)
    >>> model(np.array([[1.0, 0.0]]))
    array([[1., 3.]], dtype=float32)
    """
    given = state if isinstance(state, Mapping) else _read(state)
    modules: dict[str, dict[str, Any]] = {}
    for name, tensor in given.items():
        path, _, short = str(name).rpartition(".")
        modules.setdefault(path, {})[short] = tensor
    layers = list(dict.fromkeys(layer for layer in model.leaves() if layer.weights))
    arrays: dict[int, NDArray[Any]] = {}
    for layer, path in _pairs(layers, modules, names, _has_order(given)):
        with located(f"the state's {path!r}"):
            arrays |= {id(v): array for v, array in matched(layer, modules[path])}
    model.set_weights([arrays[id(variable)] for variable in model.weights])


def _pairs(
    layers: list[Any],
    modules: Mapping[str, Any],
    names: Mapping[str, str] | None,
    ordered: bool,
) -> list[tuple[Any, str]]:
    """Return each layer with the path of its module."""
    if names is None:
        by_name = {path.replace(".", "_"): path for path in modules}
        if by_name.keys() == {layer.name for layer in layers}:
            return [(layer, by_name[layer.name]) for layer in layers]
        return list(zip(layers, _in_order(layers, modules, ordered), strict=True))
    known = {layer.name: layer for layer in layers}
    for name, path in names.items():
        if name not in known:
            raise ValueError(_names.unknown("a layer in names", name, known))
        if path not in modules:
            raise ValueError(_names.unknown("a module in names", path, modules))
    missing = known.keys() - names.keys()
    if missing:
        raise ValueError(f"names has no module for the layer {min(missing)!r}")
    left = modules.keys() - set(names.values())
    if left:
        raise ValueError(f"names has no layer for the state's {min(left)!r}")
    return [(known[name], path) for name, path in names.items()]


def _has_order(state: Mapping[str, Any]) -> bool:
    """Return whether the order is the module's: PyTorch's own, with weights before biases."""
    if hasattr(state, "_metadata"):
        return True
    split = [str(name).rpartition(".") for name in state]
    paths = [path for path, _, _ in split]
    runs = [path for path, before in zip(paths, [None, *paths], strict=False) if path != before]
    kinds = [short for _, _, short in split if short in ("weight", "bias")]
    return len(runs) == len(set(runs)) and "bias" in kinds and kinds[0] == "weight"


def _in_order(layers: list[Any], modules: Mapping[str, Any], ordered: bool) -> list[str]:
    """Return the modules' paths in the order of the layers."""
    paths = list(modules)
    if len(paths) != len(layers):
        raise ValueError(
            f"the state has {len(paths)} modules ({', '.join(map(repr, paths[:4]))} ...), but the "
            f"model has {len(layers)} layers with weights "
            f"({', '.join(layer.name for layer in layers[:4])} ...)"
        )
    if ordered or len(paths) == 1:
        return paths
    prefixes = {path.rpartition(".")[0] for path in paths}
    numbers = {path.rpartition(".")[2]: path for path in paths}
    if len(prefixes) == 1 and all(map(str.isdecimal, numbers)):
        return [numbers[number] for number in sorted(numbers, key=int)]
    raise ValueError(
        "the state does not keep the order of modules: say which is which by "
        f"names={{{layers[0].name!r}: {paths[0]!r}, ...}}"
    )


def _read(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Return the tensors in a file."""
    with open(path, "rb") as file:
        head = file.read(16)
    if re.match(rb"PK\x03\x04|\x80[\x02-\x05]", head):
        torch = needed("torch", "torch", "reading PyTorch's files")
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ValueError(
                f"{os.fspath(path)} cannot be loaded: it is no file of tensors alone: "
                f"{str(error).splitlines()[0]}"
            ) from None
        if not isinstance(state, Mapping) or not all(map(torch.is_tensor, state.values())):
            raise ValueError(
                f"{os.fspath(path)} is no state dict, which has tensors by name: give the part of "
                "it that is one"
            )
        return state
    with located(f"{os.fspath(path)} cannot be loaded"):
        arrays, text = safetensors.read(path)
        written = text.get("format", "pt")
        if written != "pt":
            raise ValueError(
                f"its format is {written!r}, but a state dict is PyTorch's"
                + (": model.load_weights reads it" if written == "unitgain" else "")
            )
    return dict(arrays)
