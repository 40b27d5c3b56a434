"""The state of an optimizer: its counts and arrays, for files, copies and pickles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from unitgain import _names, _native
from unitgain._configurable import custom_classes
from unitgain.formats.document import Arrays, Document, from_bytes, listed_arrays, to_bytes

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Stateful"]


class Stateful:
    """The part of an optimizer that is saved beside its configuration."""

    # The state of an unpickled or copied optimizer: taken up when it gets its variables.
    _restored_state: tuple[Document, Arrays] | None = None

    @property
    def built(self) -> bool:
        """Whether the optimizer has its variables."""
        raise NotImplementedError(f"{type(self).__name__} does not implement built")

    @property
    def variables(self) -> Sequence[Any]:
        """The count of steps, the learning rate, and what is kept for each variable."""
        raise NotImplementedError(f"{type(self).__name__} does not implement variables")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an optimizer like this."""
        raise NotImplementedError(f"{type(self).__name__} does not implement get_config")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an optimizer of what :meth:`get_config` returned."""
        raise NotImplementedError(f"{cls.__name__} does not implement from_config")

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set the values of :attr:`variables`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement set_weights")

    def exclude_from_weight_decay(
        self, var_list: Any = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Leave variables out of weight decay."""
        raise NotImplementedError(f"{type(self).__name__} does not exclude variables")

    def no_decay_patterns(self) -> list[str]:
        """Return the names that were excluded from weight decay."""
        raise NotImplementedError(f"{type(self).__name__} does not exclude variables")

    def _still(self) -> _native.Still:
        """Return what holds the variables, and the optimizer, between two steps in a block."""
        raise NotImplementedError(f"{type(self).__name__} does not implement still")

    def without_decay(self) -> list[str]:
        """Return the names of the variables that were excluded from weight decay."""
        raise NotImplementedError(f"{type(self).__name__} does not exclude variables")

    def get_state(self) -> tuple[Document, Arrays]:
        """Return the counts, and arrays for each of the variables, of an optimizer that has them.

        To be called while it is held between two steps, see :meth:`_still`.

        Raises:
            ValueError: if the optimizer has no variables yet.
        """
        count, rate, *slots = self.variables
        names = _names.disambiguated([f"optimizer/{slot.name}" for slot in slots])
        state = {
            "iterations": int(count.array),
            "learning_rate": float(rate.array),
            "slots": names,
            "no_decay": self.without_decay(),
        }
        return state, {name: slot.array.copy() for name, slot in zip(names, slots, strict=True)}

    def set_state(self, state: Document, arrays: Arrays) -> None:
        """Put an optimizer that has its variables where :meth:`get_state` found one.

        Raises:
            ValueError: if it is another kind's, or of other variables.
        """
        names = listed_arrays(state, "slots", arrays)
        count = np.array(int(state["iterations"]))
        rate = np.array(float(state["learning_rate"]))
        if count < 0:
            raise ValueError(f"iterations must be at least 0, but it is {count}")
        slots = self.variables[2:]
        for name, slot in zip(names, slots, strict=False):
            if arrays[name].dtype != slot.dtype:
                raise ValueError(f"{name} has dtype {arrays[name].dtype}, expected {slot.dtype}")
        self.set_weights([count, rate, *(arrays[name] for name in names)])

    def _take_up_state(self) -> None:
        """Go on where the optimizer was that this one is a copy of."""
        if self._restored_state is not None:
            self.set_state(*self._restored_state)
            self._restored_state = None

    def __reduce__(self) -> Any:
        with custom_classes() as classes:
            document: Document = {"config": self.get_config(), "state": None}
        document["no_decay"] = self.no_decay_patterns()
        arrays: Arrays = {}
        if self.built:
            with self._still():
                document["state"], arrays = self.get_state()
        elif self._restored_state is not None:
            document["state"], arrays = self._restored_state
        return type(self)._restored, (to_bytes(document, arrays), classes)

    @classmethod
    def _restored(cls, content: bytes, classes: Mapping[str, Any]) -> Self:
        """Return a copy of the optimizer that :meth:`__reduce__` described."""
        document, arrays = from_bytes(content)
        with _names.custom_objects(classes):
            optimizer = cls.from_config(document["config"])
        if document["no_decay"]:
            optimizer.exclude_from_weight_decay(var_names=document["no_decay"])
        if document["state"] is not None:
            optimizer._restored_state = document["state"], arrays
        return optimizer
