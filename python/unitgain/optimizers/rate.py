"""The learning rate as a number that can be assigned to, as Keras's variable can."""

from __future__ import annotations

from typing import Any, SupportsFloat

__all__ = ["Rate"]


class Rate(float):
    """A learning rate as it was when it was read, and the optimizer that has it."""

    _optimizer: Any

    def __new__(cls, value: float, optimizer: Any) -> Rate:
        """Make the number, which knows where it comes from."""
        rate = super().__new__(cls, value)
        rate._optimizer = optimizer
        return rate

    def assign(self, value: SupportsFloat) -> None:
        """Set the optimizer's learning rate.

        Raises:
            TypeError: if it has a schedule.
            ValueError: if the value is negative or not finite.
        """
        self._optimizer.learning_rate = float(value)

    @property
    def value(self) -> float:
        """The number alone, by Keras's name."""
        return float(self)

    def numpy(self) -> float:
        """Return the number alone."""
        return float(self)

    def __reduce__(self) -> Any:
        return float, (float(self),)
