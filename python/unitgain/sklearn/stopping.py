"""When training ends: scikit-learn's rules, as a callback of ``Model.fit``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitgain.callbacks import Callback
from unitgain.training.callback import Logs
from unitgain.training.feeding import Order

__all__ = ["Course", "StateOrder", "Stopping"]

# Where an adaptive learning rate is small enough, and what it is divided by.
_LEAST_RATE = 1e-6
_DIVISOR = 5.0


@dataclass
class Course:
    """The state of one network's training.

    Attributes:
        epochs: those of the last call of ``fit``.
        samples: how many samples were trained on, each as often as it was.
        losses: each epoch's.
        best_loss: the smallest so far.
        scores: of the validation samples; None without any.
        best_score: the largest so far.
        best_weights: the weights of that epoch.
        stale: for how many epochs nothing was better by ``tol``.
    """

    epochs: int = 0
    samples: int = 0
    losses: list[float] = field(default_factory=list)
    best_loss: float = math.inf
    scores: list[float] = field(default_factory=list)
    best_score: float = -math.inf
    best_weights: list[NDArray[Any]] | None = None
    stale: int = 0


class Stopping(Callback):
    """Ends training where nothing has been better by ``tol`` for some epochs.

    Args:
        course: of the network.
        estimator: whose arguments say when.
        samples: an epoch's.
        reported: the loss as scikit-learn has it, of the model's.
        score: of validation samples; None for the loss in its place.
        reads_weights: whether ``reported`` needs the weights as they are at the epoch's end.
    """

    def __init__(
        self,
        course: Course,
        estimator: Any,
        samples: int,
        reported: Callable[[float], float],
        score: Callable[[], float] | None,
        reads_weights: bool = False,
    ) -> None:
        self._course = course
        self._samples = samples
        self._reported = reported
        self._score = score
        self._tol = estimator.tol
        self._patience = estimator.n_iter_no_change
        self._verbose = bool(estimator.verbose)
        self._rate = estimator.learning_rate if estimator.solver == "sgd" else "constant"
        self._first_rate = estimator.learning_rate_init
        self._power = estimator.power_t
        self._reads_weights = reads_weights

    @property
    def epochs_ahead(self) -> float:
        """How many epochs can be done before the first of them can end training or change it."""
        if (
            self._score is not None
            or self._reads_weights
            or self._verbose
            or self._rate == "invscaling"
        ):
            return 1
        return float(max(1, self._patience + 1 - self._course.stale))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Take in the epoch's loss, and end training if it is time."""
        course = self._course
        loss = self._reported((logs or {})["loss"])
        course.epochs += 1
        course.samples += self._samples
        course.losses.append(loss)
        self._print(f"Iteration {course.epochs}, loss = {loss:.8f}")
        value, best = loss, course.best_loss
        if self._score is not None:
            value, best = -self._take_score(), -course.best_score
        # The loss has to be better by more than tol, a score by tol.
        fails = value > best - self._tol
        course.stale = course.stale + 1 if fails else 0
        if self._score is None:
            course.best_loss = min(course.best_loss, loss)
        elif -value > course.best_score:
            course.best_score = -value
            course.best_weights = self.model.get_weights()
        if self._rate == "invscaling":
            self.model.optimizer.learning_rate = (
                self._first_rate / (course.samples + 1) ** self._power
            )
        if course.stale > self._patience:
            self._stop()

    def _take_score(self) -> float:
        assert self._score is not None
        score = self._score()
        self._course.scores.append(score)
        self._print(f"Validation score: {score:f}")
        return score

    def _stop(self) -> None:
        what = "Training loss" if self._score is None else "Validation score"
        said = f"{what} did not improve more than tol={self._tol:f} for {self._patience} epochs."
        rate = float(self.model.optimizer.learning_rate)
        if self._rate != "adaptive" or rate <= _LEAST_RATE:
            self._print(f"{said} Stopping.")
            self.model.stop_training = True
            return
        self.model.optimizer.learning_rate = rate / _DIVISOR
        self._print(f"{said} Setting learning rate to {rate / _DIVISOR:f}")
        self._course.stale = 0

    def _print(self, text: str) -> None:
        if self._verbose:
            print(text)


class StateOrder(Order):
    """The orders that scikit-learn's own networks draw from a ``RandomState``."""

    def __init__(self, state: np.random.RandomState, shuffle: bool) -> None:
        super().__init__(shuffle)
        self._state = state
        self._rows: NDArray[np.int64] | None = None

    def take(self, count: int, most: int | None = None) -> NDArray[np.int64] | None:
        """Return the numbers of an epoch's samples; None for all in turn."""
        if not self._shuffle:
            return None
        order = np.arange(count)
        self._state.shuffle(order)
        self._rows = order if self._rows is None else self._rows[order]
        return self._rows

    def is_drawn_alone(self) -> bool:
        """Return True: the state is not drawn from while a network is trained."""
        return True

    def whole_passes(
        self, count: int, passes: int
    ) -> tuple[NDArray[np.int64] | None, list[tuple[int, int]]]:
        """Return the orders of passes, ``(passes, count)``; None if rows come in turn."""
        if not self._shuffle:
            return None, []
        orders: list[Any] = [self.take(count) for _ in range(passes)]
        return np.stack(orders), []
