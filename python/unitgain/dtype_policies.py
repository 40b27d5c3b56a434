"""Policies of dtypes, by Keras's names: what variables are kept in, and products computed with.

The process's own, and its default dtype, are functions of :mod:`unitgain.config`, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from unitgain import _names, _native

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["DTypePolicy", "deserialize", "get", "serialize"]


class _Defaults:
    floatx = "float32"


def floatx() -> str:
    """Return the dtype of networks that nothing else says one for: float32, if it was not set."""
    return _Defaults.floatx


def set_floatx(value: str) -> None:
    """Set the dtype of networks, initial values and random numbers that nothing else says one for.

    It holds for what is made afterwards: an :class:`~unitgain.Input` without a ``dtype``, a model
    that is built without one.

    Args:
        value: ``"float32"`` (as it starts) or ``"float64"``.

    Raises:
        ValueError: if it is another.
    """
    known = dict.fromkeys(("float32", "float64"))
    if value not in known:
        raise ValueError(_names.unknown("value", value, known))
    _Defaults.floatx = value


_POLICIES = {
    "float32": ("float32", "float32"),
    "float64": ("float64", "float64"),
    "mixed_bfloat16": ("bfloat16", "float32"),
}

# What to say in place of a policy that there is not.
_INSTEAD = {
    "mixed_float16": 'products in bfloat16 are "mixed_bfloat16"',
    "float16": 'weights are float32 or float64; products in bfloat16 are "mixed_bfloat16"',
    "bfloat16": 'weights are float32 or float64; products in bfloat16 are "mixed_bfloat16"',
}


class DTypePolicy:
    """What variables are kept in, and what products are computed with.

    ``"mixed_bfloat16"`` keeps variables in float32, rounds the operands of products to bfloat16,
    and sums in float32: the precision ``"medium"`` of
    :func:`unitgain.set_float32_matmul_precision`, which is the whole process's.

    Args:
        name: ``"float32"``, ``"float64"`` or ``"mixed_bfloat16"``.

    Raises:
        ValueError: if there is no such policy.

    >>> from unitgain.dtype_policies import DTypePolicy
    >>> DTypePolicy("mixed_bfloat16").variable_dtype
    'float32'
    """

    # Keras's policies of quantized layers have one.
    quantization_mode: str | None = None

    def __init__(self, name: str) -> None:
        if name not in _POLICIES:
            instead = _INSTEAD.get(name) if isinstance(name, str) else None
            message = _names.unknown("the dtype policy", name, _POLICIES)
            if instead is not None:
                message = f"there is no dtype policy {name!r}: {instead}"
            raise ValueError(message)
        self._name = name

    @property
    def name(self) -> str:
        """The policy's name."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """The dtype that operands of products are rounded to."""
        return _POLICIES[self._name][0]

    @property
    def variable_dtype(self) -> str:
        """The dtype of weights and results."""
        return _POLICIES[self._name][1]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a policy like this."""
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a policy of what :meth:`get_config` returned."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f"DTypePolicy({self._name!r})"


DTypePolicyLike: TypeAlias = DTypePolicy | DTypeLike | Mapping[str, Any] | None


def get(identifier: DTypePolicyLike) -> DTypePolicy:
    """Return the policy of that name, dtype or configuration; of None, the process's.

    Raises:
        ValueError: if there is no such policy.
        TypeError: if it is neither a name nor a dtype nor a policy.
    """
    if isinstance(identifier, DTypePolicy):
        return identifier
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    try:
        return DTypePolicy(np.dtype(identifier).name)
    except TypeError:
        raise TypeError(
            f"dtype is of type {type(identifier).__name__}, expected a dtype, or a DTypePolicy or "
            f"its name"
        ) from None


def dtype_policy() -> DTypePolicy:
    """Return the process's policy: the default dtype, or with precision ``"medium"`` the mixed one.

    >>> import unitgain as ug
    >>> ug.config.dtype_policy()
    DTypePolicy('float32')
    """
    is_rounded = _native.float32_matmul_precision() == "medium" and floatx() == "float32"
    return DTypePolicy("mixed_bfloat16" if is_rounded else floatx())


def set_dtype_policy(policy: DTypePolicyLike) -> None:
    """Set the process's default dtype and the precision of its products.

    ``"mixed_bfloat16"`` is float32 with the precision ``"medium"``; another policy puts that back
    to ``"highest"``, and leaves any other precision.

    Args:
        policy: a policy or its name.

    Raises:
        ValueError: if there is no such policy.
    """
    wanted = get(policy)
    set_floatx(wanted.variable_dtype)
    if wanted.name == "mixed_bfloat16":
        _native.set_float32_matmul_precision("medium")
    elif _native.float32_matmul_precision() == "medium":
        _native.set_float32_matmul_precision("highest")


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """Return a policy as JSON can hold it."""
    return {"class_name": "DTypePolicy", "config": dtype_policy.get_config()}


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> DTypePolicy:
    """Return the policy that :func:`serialize` described.

    Args:
        config: a mapping with a ``class_name`` and a ``config``.
        custom_objects: taken for the sake of code written for Keras.

    Raises:
        ValueError: if it describes none.
    """
    with _names.custom_objects(custom_objects):
        name, arguments = _names.class_and_config("dtype", config)
        if name != "DTypePolicy":
            raise ValueError(_names.unknown("a dtype policy's class", name, {"DTypePolicy": None}))
        return DTypePolicy.from_config(arguments)


def of_layer(dtype: DTypePolicyLike, owner: str) -> DTypePolicy:
    """Return the policy that a layer is given.

    Raises:
        ValueError: if there is none of that name, or it says how products are computed, and that is
            not how the process's are.
    """
    try:
        policy = get(dtype)
    except ValueError as error:
        raise ValueError(f"{owner}: {error}") from None
    if policy.name == "mixed_bfloat16" and _native.float32_matmul_precision() != "medium":
        raise ValueError(
            f"{owner} is given the dtype policy 'mixed_bfloat16', but the products' precision is "
            f"the whole process's: call unitgain.config.set_dtype_policy('mixed_bfloat16')"
        )
    return policy


def values_dtype(dtype: DTypePolicyLike, owner: str) -> str | None:
    """Return the dtype of what a loss or metric is given, None where nothing is asked for.

    Args:
        dtype: a dtype, or a policy or its name.
        owner: what messages call the loss or metric.

    Raises:
        ValueError: if it is neither float32 nor float64, and no policy.
    """
    if dtype is None:
        return None
    try:
        return get(dtype).variable_dtype
    except ValueError as error:
        raise ValueError(f"{owner}: {error}") from None
