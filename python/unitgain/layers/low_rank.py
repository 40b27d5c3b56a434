"""Low-rank adaptation: a frozen matrix of weights, and a product of two small ones that is trained.

Source: Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang and Chen, "LoRA: low-rank adaptation of large
language models", ICLR 2022.
"""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from unitgain import constraints, initializers, regularizers
from unitgain.graph.native import NativeGraph
from unitgain.graph.variables import Variable, note_change
from unitgain.layers.affine import lower_scaled
from unitgain.layers.base import Layer

__all__ = ["LowRank", "checked_rank"]


def checked_rank(rank: SupportsIndex | None, argument: str = "lora_rank") -> int | None:
    """Return a rank as an int.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is below 1.
    """
    if rank is None:
        return None
    found = operator.index(rank)
    if found < 1:
        raise ValueError(f"{argument} must be at least 1, but it is {found}")
    return found


class LowRank(Layer):
    """A layer with a matrix of weights ``W`` that may become ``W + (alpha / rank) A B``."""

    lora_rank: int | None = None
    lora_alpha: float | None = None
    lora_enabled = False
    _matrix: Variable
    _matrix_name = ""  # of the matrix; its regularizer and its constraint have it, too

    def _set_lora(self, rank: SupportsIndex | None, alpha: float | None) -> None:
        """Keep what the layer was made with."""
        self.lora_rank = checked_rank(rank)
        self.lora_alpha = self.lora_rank if alpha is None else alpha

    def _enable_lora_if_asked(self) -> None:
        """Begin with an adaptation, in ``build``."""
        if self.lora_rank is not None:
            self._adapt(self.lora_rank, self.lora_alpha, "he_uniform", "zeros")

    def enable_lora(
        self,
        rank: SupportsIndex,
        lora_alpha: float | None = None,
        a_initializer: initializers.InitializerLike = "he_uniform",
        b_initializer: initializers.InitializerLike = "zeros",
    ) -> None:
        """Freeze the layer's matrix, and train ``(lora_alpha / rank) A B`` that is added to it.

        ``A`` has ``rank`` columns and ``B`` as many rows. The bias goes on being trained. What the
        layer has as its matrix is the sum from now on; :meth:`merge_lora` makes it so for good. A
        model of the layer takes it up at its next step, with an optimizer's state of its own.

        Args:
            rank: of the product, at least 1.
            lora_alpha: the product's strength; None is ``rank``, a factor of 1.
            a_initializer: makes ``A``.
            b_initializer: makes ``B``; of zeros, the layer does at first what it did.

        Raises:
            ValueError: if the layer is not built, has a constraint on its matrix, or is adapted
                already.
        """
        if not self.built:
            raise ValueError(f"{self.name} has no weights yet: build it before enable_lora")
        if self.lora_enabled:
            raise ValueError(f"{self.name} has low-rank weights already")
        found = checked_rank(rank, "rank")
        assert found is not None
        self._adapt(found, lora_alpha, a_initializer, b_initializer)

    def _adapt(
        self,
        rank: int,
        alpha: float | None,
        a_initializer: initializers.InitializerLike,
        b_initializer: initializers.InitializerLike,
    ) -> None:
        name = self._matrix_name
        constraint: constraints.Constraint | None = getattr(self, f"{name}_constraint")
        if constraint is not None:
            raise ValueError(
                f"{self.name} has a {name}_constraint, which low-rank weights beside a frozen "
                "matrix cannot fulfil: make the layer without"
            )
        penalty: regularizers.Regularizer | None = getattr(self, f"{name}_regularizer")
        rows, cols = self._matrix.shape
        a, b = (
            self.add_weight(shape, initializer, name=f"lora_{name}_{which}", regularizer=penalty)
            for which, shape, initializer in (
                ("a", (rows, rank), a_initializer),
                ("b", (rank, cols), b_initializer),
            )
        )
        setattr(self, f"lora_{name}_a", a)
        setattr(self, f"lora_{name}_b", b)
        self.lora_rank, self.lora_alpha = rank, rank if alpha is None else alpha
        self.lora_enabled = True
        self._matrix.trainable = False
        note_change()

    def merge_lora(self) -> None:
        """Add the low-rank product to the matrix, and go on without: for a model to be deployed.

        Raises:
            ValueError: if the layer has no low-rank weights.
        """
        if not self.lora_enabled:
            raise ValueError(f"{self.name} has no low-rank weights")
        self._matrix.assign(self._merged())
        for weight in self._low_rank():
            self.weights.remove(weight)
        self.lora_rank = self.lora_alpha = None
        self.lora_enabled = False
        self._matrix.trainable = True
        note_change()

    def _low_rank(self) -> tuple[Variable, Variable]:
        name = self._matrix_name
        return getattr(self, f"lora_{name}_a"), getattr(self, f"lora_{name}_b")

    @property
    def _scale(self) -> float:
        assert self.lora_rank is not None
        assert self.lora_alpha is not None
        return self.lora_alpha / self.lora_rank

    def _merged(self) -> NDArray[Any]:
        a, b = self._low_rank()
        whole: NDArray[Any] = self._matrix.array + np.asarray(self._scale, self.dtype) * (
            a.array @ b.array
        )
        return whole

    @property
    def _whole_matrix(self) -> Variable:
        """The matrix; with low-rank weights, their sum as it is now."""
        if not self.lora_enabled:
            return self._matrix
        return Variable(f"{self.name}/{self._matrix_name}", self._merged(), False, self.dtype)

    def _lower_product(self, graph: NativeGraph, node: int, bias: Variable | None) -> int:
        """Add what is behind ``A``: the scaled product with ``B``, and a bias."""
        _, b = self._low_rank()
        if self._scale != 1:
            assert self.lora_rank is not None
            node = lower_scaled(graph, node, self._scale, self.lora_rank, self.dtype)
        parameter = None if bias is None else bias.parameter
        return int(graph.dense(node, b.parameter, parameter, self.trainable))

    def _lowering(self) -> Any:
        return (*super()._lowering(), self.lora_enabled)
