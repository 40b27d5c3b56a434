"""Losses of traced functions: those whose derivative nobody has written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from unitgain import _names
from unitgain._configurable import serialize
from unitgain.losses.base import Loss

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LossFunctionWrapper"]


class LossFunctionWrapper(Loss):
    """A function as a loss: what ``compile(loss=f)`` becomes.

    The function is made of :mod:`unitgain.ops`: it is traced once for outputs of a shape, and
    native code computes it, with its derivative. One that needs its arrays' values can be
    evaluated, at the cost of a call of Python for each batch, but not trained with.

    Args:
        fn: ``fn(y_true, y_pred, **kwargs)`` returns a value for each row of the outputs, for each
            output, of which a row's loss is the mean, or one for the batch. An attribute
            ``takes_labels`` says that ``y_true`` are class labels.
        reduction: as for :class:`Loss`.
        name: what the loss is called, the function's name by default.
        dtype: taken for the sake of code written for Keras.
        **kwargs: further arguments of ``fn``.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> def quartic(y_true, y_pred):
    ...     return ug.ops.mean((y_true - y_pred) ** 4, axis=-1)
    >>> loss = ug.losses.get(quartic)
    >>> loss([[0.0, 1.0]], [[1.0, 2.0]]), loss.gradient([[0.0, 1.0]], [[1.0, 2.0]]).tolist()
    (1.0, [[2.0, 2.0]])
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        if not callable(fn):
            raise TypeError(f"fn is of type {type(fn).__name__}, expected a function")
        named = getattr(fn, "__name__", None) or type(fn).__name__
        super().__init__(name or _names.snake_case(named.strip("<>")), reduction, dtype)
        self.fn = fn
        self.kwargs = kwargs
        self.takes_labels = bool(getattr(fn, "takes_labels", False))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return what the function gives."""
        return self.fn(y_true, y_pred, **self.kwargs)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a loss like this; functions are custom objects."""
        config = {"fn": serialize(self.fn), "reduction": self.reduction, "name": self.name}
        return config | dict(serialize(self.kwargs))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a loss of what :meth:`get_config` returned.

        Raises:
            ValueError: if there is no custom object of the function's name.
        """
        arguments = dict(config)
        return cls(_names.custom_function(arguments.pop("fn", None), "the loss is"), **arguments)
