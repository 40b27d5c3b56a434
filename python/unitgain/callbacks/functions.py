"""Callbacks made of functions: LambdaCallback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unitgain import _names
from unitgain.training.callback import Callback

__all__ = ["LambdaCallback"]

Hook = Callable[..., Any]


class LambdaCallback(Callback):
    """A callback whose hooks are functions.

    Args:
        on_epoch_begin: called with the epoch, from 0, and the logs.
        on_epoch_end: the same.
        on_train_begin: called with the logs.
        on_train_end: the same.
        on_train_batch_begin: called with the batch, from 0 in each epoch, and the logs. With this
            or the next, each step comes back to Python.
        on_train_batch_end: the same.
        **kwargs: any other hook of :class:`Callback`.

    Raises:
        ValueError: if there is no such hook.

    >>> import numpy as np
    >>> import unitgain as ug
    >>> printing = ug.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, *logs))
    >>> model = ug.Sequential([ug.layers.Input((1,)), ug.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> _ = model.fit(np.ones((4, 1)), np.ones(4), epochs=2, verbose=0, callbacks=[printing])
    0 loss
    1 loss
    """

    def __init__(
        self,
        on_epoch_begin: Hook | None = None,
        on_epoch_end: Hook | None = None,
        on_train_begin: Hook | None = None,
        on_train_end: Hook | None = None,
        on_train_batch_begin: Hook | None = None,
        on_train_batch_end: Hook | None = None,
        **kwargs: Hook,
    ) -> None:
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        known = {name: None for name in dir(Callback) if name.startswith("on_")}
        for name in kwargs:
            if name not in known:
                raise ValueError(_names.unknown("a hook", name, known))
        vars(self).update({name: hook for name, hook in hooks.items() if hook is not None})
