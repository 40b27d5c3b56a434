"""Embeddings: rows looked up in a table, and their gradient by rows."""

from __future__ import annotations

from typing import Any

import numpy as np

import unitgain as ug

from .case import OURS, REFERENCE, Array, Case, Contender, Exact, Trial

NUMBERS = 20  # of a sample
# Samples of a batch, and the table's rows and columns.
SIZES = ((256, 1000, 16), (2000, 10_000, 64), (2000, 200_000, 64))


def cases() -> list[Case]:
    """Return the cases by samples and the table's size."""
    return [case(*size) for size in SIZES for case in (_forward, _gradient)]


def _data(batch: int, rows: int, cols: int) -> tuple[Array, Array, Array]:
    """Return a table, numbers of which small ones are frequent, as of words, and targets."""
    generator = np.random.default_rng(0)
    table = generator.standard_normal((rows, cols), np.float32)
    numbers = (generator.zipf(1.2, (batch, NUMBERS)) - 1) % rows
    return table, numbers, generator.standard_normal((batch, NUMBERS * cols), np.float32)


def _model(table: Array) -> Any:
    layers = [
        ug.layers.Input((NUMBERS,), "int64"),
        ug.layers.Embedding(table.shape[0], table.shape[1], weights=table),
        ug.layers.Flatten(),
    ]
    model = ug.Sequential(layers)
    model.compile("sgd", "mse")
    return model


def _forward(batch: int, rows: int, cols: int) -> Case:
    def prepare() -> Trial:
        table, numbers, _ = _data(batch, rows, cols)

        def unitgain() -> Contender:
            network = _model(table)._native_network()
            return Contender.of(lambda: network.predict(numbers, batch))

        def numpy() -> Contender:
            return Contender.of(lambda: table[numbers].reshape(batch, -1))

        def torch() -> Contender:
            import torch

            weight, given = torch.from_numpy(table), torch.from_numpy(numbers)

            @torch.inference_mode()
            def run() -> Any:
                return torch.nn.functional.embedding(given, weight).flatten(1)

            return Contender(run, lambda: run().numpy())

        return Trial({OURS: unitgain, REFERENCE: numpy, "PyTorch": torch}, 0.0)

    return Case(
        f"embedding/forward/{batch}-{rows}x{cols}",
        f"embedding of {batch} x {NUMBERS} numbers, table of {rows} x {cols}",
        prepare,
        quick=batch == 256,
    )


def _gradient(batch: int, rows: int, cols: int) -> Case:
    def prepare() -> Trial:
        table, numbers, targets = _data(batch, rows, cols)

        def unitgain() -> Contender:
            network = _model(table)._native_network()
            return Contender.of(lambda: network.gradients(numbers, targets)[1][0])

        def numpy(real: Any = np.float32) -> Contender:
            def run() -> Any:
                error = table[numbers].reshape(batch, -1) - targets.astype(real, copy=False)
                gradient = np.zeros(table.shape, real)
                np.add.at(gradient, numbers.ravel(), 2 / targets.size * error.reshape(-1, cols))
                return gradient

            return Contender.of(run)

        def torch() -> Contender:
            import torch

            weight = torch.from_numpy(table).requires_grad_()
            given, expected = torch.from_numpy(numbers), torch.from_numpy(targets)

            def run() -> Any:
                found = torch.nn.functional.embedding(given, weight).flatten(1)
                torch.nn.functional.mse_loss(found, expected).backward()
                gradient, weight.grad = weight.grad, None
                return gradient

            return Contender(run, lambda: run().numpy())

        # Sums of a row's terms, in any order.
        tolerance = float(np.finfo(np.float32).eps) * batch * NUMBERS
        contenders = {OURS: unitgain, REFERENCE: numpy, "PyTorch": torch}
        return Trial(contenders, tolerance, exact=lambda: Exact.of(numpy(np.float64).result()))

    return Case(
        f"embedding/gradient/{batch}-{rows}x{cols}",
        f"embedding and gradient of squared error, {batch} x {NUMBERS} numbers, table of {rows} x "
        f"{cols}",
        prepare,
        quick=batch == 256,
    )
