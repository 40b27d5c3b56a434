"""What every model does with files and configurations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from unitgain import _names, random
from unitgain._config import serialize

if TYPE_CHECKING:
    from typing_extensions import Self

    from unitgain.models.base import Model

__all__ = ["Saving"]


class Saving:
    """Configurations, files, copies, and the random numbers that a loaded model goes on with."""

    # The streams that a loaded model draws from, until ug.random.seed replaces the process's.
    _streams: random.Streams | None = None
    _streams_instead_of: random.Streams | None = None

    @property
    def streams(self) -> random.Streams | None:
        """What a loaded model draws from; None for what the process does."""
        if self._streams_instead_of is not random.process_streams():
            self._streams = None
        return self._streams

    def get_config(self) -> dict[str, Any]:
        """Return what makes a model like this, as values that JSON can hold."""
        raise NotImplementedError(f"{type(self).__name__} does not implement get_config")

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make a model of what :meth:`get_config` returned; its weights are initialized anew.

        Args:
            config: the configuration.
            custom_objects: classes of one's own by name.

        Raises:
            ValueError: if the configuration describes no model.
        """
        from unitgain.models.registry import model_from

        kind = "Functional" if "uses" in config else "Sequential"
        with _names.custom_objects(custom_objects):
            made: Any = model_from({"class_name": kind, "config": config})
        return cast("Self", made)

    @staticmethod
    def load(filepath: Any, custom_objects: Mapping[str, Any] | None = None) -> Model:
        """Return the model in a file, see :func:`unitgain.saving.load_model`."""
        from unitgain.saving import load_model

        return load_model(filepath, custom_objects)

    def to_json(self, **arguments: Any) -> str:
        """Return the model's class and configuration as JSON.

        Args:
            **arguments: of :func:`json.dumps`.
        """
        return json.dumps(serialize(self), **arguments)

    def get_compile_config(self) -> dict[str, Any]:
        """Return the arguments of ``compile``, as values that JSON can hold."""
        model = cast("Model", self)
        return {
            "optimizer": serialize(model.optimizer),
            "loss": serialize(model.loss),
            "metrics": serialize(model._metrics_as_asked),
            "weighted_metrics": serialize(model._weighted_as_asked),
            "loss_weights": model._loss_weight,
        }

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compile with what :meth:`get_compile_config` returned; the optimizer starts afresh."""
        cast("Model", self).compile(**config)

    def save(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the model to a file, see :func:`unitgain.saving.save_model`."""
        from unitgain.saving import save_model

        save_model(cast("Model", self), filepath, overwrite)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the weights alone to a file, whose name ends in ``.safetensors``.

        Raises:
            ValueError: if the model has no weights yet, or the name ends otherwise.
            FileExistsError: if there is a file, and ``overwrite`` is False.
        """
        from unitgain.saving import model as documents
        from unitgain.saving.document import to_file

        model = cast("Model", self)
        model._check_built()
        path = documents.checked_path(filepath, overwrite)
        to_file(path, *documents.weights_document(model.weights))

    def load_weights(self, filepath: Any, skip_mismatch: bool = False) -> None:
        """Set the weights from a file of :meth:`save_weights` or :meth:`save`, in their order.

        Args:
            filepath: the file; the names of its layers are of no account.
            skip_mismatch: whether weights of another shape are left as they are. The file must
                have as many as the model.

        Raises:
            ValueError: if the file is damaged, or its weights do not fit; nothing is changed then.
        """
        from unitgain.saving import model as documents
        from unitgain.saving.document import from_file

        model = cast("Model", self)
        model._check_built()
        with documents.explained(filepath):
            found = documents.weights_of(*from_file(filepath))
            variables = model.weights
            if skip_mismatch and len(found) == len(variables):
                found = [
                    array if array.shape == variable.shape else variable.array
                    for array, variable in zip(found, variables, strict=True)
                ]
            model.set_weights([np.asarray(array) for array in found])

    def __reduce__(self) -> Any:
        from unitgain.saving.copying import reduce_model

        return reduce_model(cast("Model", self))
