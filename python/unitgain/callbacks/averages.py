"""Evaluation with an optimizer's averages: SwapEMAWeights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from unitgain.graph.variables import Variable
from unitgain.training.callback import Callback, Logs

__all__ = ["SwapEMAWeights"]


class SwapEMAWeights(Callback):
    """Evaluates with the averages of the weights that an optimizer with ``use_ema`` keeps.

    They take the weights' place for each evaluation, that of an epoch's validation data included,
    and for ``predict`` (Polyak and Juditsky, "Acceleration of stochastic approximation by
    averaging", 1992).

    Args:
        swap_on_epoch: whether they do so from the end of each epoch to the beginning of the next,
            too, so that callbacks behind this one, such as a :class:`ModelCheckpoint`, see them.

    Raises:
        ValueError: from ``fit``, if the optimizer keeps no averages.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = swap_on_epoch
        self._own: list[tuple[Variable, NDArray[Any]]] = []  # the weights that averages stand for

    def get_state(self) -> dict[str, Any]:
        """Return the weights themselves, while the averages are in their place."""
        return {"own": [values for _, values in self._own]}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`get_state` returned."""
        weights = self.model.trainable_weights[: len(state["own"])]
        self._own = list(zip(weights, state["own"], strict=True))

    def _swap_in(self) -> None:
        optimizer = self.model.optimizer
        if optimizer is None or not optimizer.use_ema:
            raise ValueError("SwapEMAWeights needs an optimizer with use_ema=True")
        if self._own or optimizer.iterations == 0:
            return
        averages = {variable.name: variable for variable in optimizer.variables}
        for weight in self.model.trainable_weights:
            self._own.append((weight, weight.numpy()))
            weight.assign(averages[f"{weight.name}_average"].numpy())

    def _swap_out(self) -> None:
        for weight, values in self._own:
            weight.assign(values)
        self._own = []

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Go on with the weights themselves."""
        self._swap_out()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Show the averages to the callbacks behind."""
        if self.swap_on_epoch:
            self._swap_in()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Leave the averages, which ``fit`` ends with."""
        self._own = []

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Evaluate the averages."""
        self._swap_in()

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Go on with the weights themselves."""
        self._swap_out()

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Predict with the averages."""
        self._swap_in()

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Go on with the weights themselves."""
        self._swap_out()
