"""Inference with a trained network: one row for latency, many for throughput."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .case import OURS, REFERENCE, Case, Contender, Exact, Trial
from .numpy_reference import Network, infer
from .training import LEARNING_RATE, build_model

# Each layer adds at most (its inputs + 2) roundings of relative size u to what it is given, and the
# outputs of these networks are no smaller than their terms by more than a factor of ten or so.
TOLERANCE = 2e-5
# Weights and inputs of 8 bits: each layer adds up to a hundredth or so of its largest output.
INT8_TOLERANCE = 0.1
MANY_ROWS = 1000  # from here on throughput counts


def cases() -> list[Case]:
    """Return networks of three sizes, on one row and on many, as they are and made ready."""
    made = []
    for sizes, rows in (
        ((64, 64, 64, 4), (1,)),
        ((64, 256, 128, 10), (1, 32, 4096)),
        ((784, 300, 100, 10), (1, 128)),
        ((1024, 2048, 2048, 1024), (4096,)),
    ):
        for count in rows:
            made += [_case(sizes, count, packed) for packed in (False, True)]
    for sizes in ((784, 300, 100, 10), (1024, 2048, 2048, 1000)):
        made += [_int8_case(sizes, count) for count in (1, 128)]
    return made


def _trained(sizes: tuple[int, ...], x: Any) -> Network:
    """Return a network whose moving moments and batch norm parameters are not the initial ones."""
    network = Network(sizes, learning_rate=LEARNING_RATE)
    labels = np.random.default_rng(1).integers(sizes[-1], size=len(x))
    for _ in range(20):
        network.train_on_batch(x, labels)
    return network


def _case(sizes: tuple[int, ...], rows: int, packed: bool) -> Case:
    def prepare() -> Trial:
        generator = np.random.default_rng(0)
        network = _trained(sizes, generator.random((256, sizes[0]), np.float32))
        pairs = network.folded()
        x = generator.random((rows, sizes[0]), np.float32)

        def unitgain() -> Contender:
            model = build_model(sizes, batch_norm=True, learning_rate=LEARNING_RATE)
            model.set_weights(network.get_weights())
            if packed:
                model = model.optimize_for_inference()
            return Contender.of(lambda: model(x) if rows < MANY_ROWS else model.predict(x))

        def torch() -> Contender:
            from . import torch_network

            return torch_network.inference(pairs, x)

        def jax() -> Contender:
            from . import jax_network

            return jax_network.inference(pairs, x)

        def keras() -> Contender:
            from . import keras_network

            return keras_network.inference(pairs, x)

        def sklearn() -> Contender:
            from . import sklearn_network

            return sklearn_network.inference(pairs, x)

        def onnx() -> Contender:
            from . import onnx_network

            return onnx_network.inference(pairs, x)

        contenders = {
            OURS: unitgain,
            REFERENCE: lambda: Contender.of(lambda: infer(pairs, x)),
            "PyTorch": torch,
            "JAX": jax,
            "Keras": keras,
            "scikit-learn": sklearn,
            "ONNX Runtime": onnx,
        }

        def exact() -> Exact:
            wide = [(w.astype(np.float64), b.astype(np.float64)) for w, b in pairs]
            return Exact.of(infer(wide, x.astype(np.float64)))

        return Trial(contenders, TOLERANCE, exact=exact)

    network_name = "-".join(str(size) for size in sizes)
    title = f"inference, {network_name} with batch norm, {rows} row{'s' if rows > 1 else ''}"
    if packed:
        title += ", packed"
    quick = rows == 1 and sizes == (64, 256, 128, 10) and not packed
    name = f"inference/{network_name}/{rows}{'-packed' if packed else ''}"
    return Case(name, title, prepare, quick=quick, large=rows * sizes[1] > 1 << 22)


def _int8_case(sizes: tuple[int, ...], rows: int) -> Case:
    """Return a network with weights of 8 bits, whose inputs are quantized as they come."""

    def prepare() -> Trial:
        generator = np.random.default_rng(0)
        pairs = [
            (
                generator.normal(0, (2 / inputs) ** 0.5, (inputs, units)).astype(np.float32),
                generator.normal(0, 0.1, units).astype(np.float32),
            )
            for inputs, units in itertools.pairwise(sizes)
        ]
        x = generator.random((rows, sizes[0]), np.float32)

        def unitgain() -> Contender:
            import unitgain as ug

            model = ug.Sequential([ug.layers.Input((sizes[0],))])
            for kernel, _ in pairs[:-1]:
                model.add(ug.layers.Dense(kernel.shape[1], "relu"))
            model.add(ug.layers.Dense(sizes[-1]))
            model.set_weights([array for pair in pairs for array in pair])
            predictor = model.optimize_for_inference("int8")
            return Contender.of(lambda: predictor(x))

        def onnx() -> Contender:
            from . import onnx_network

            return onnx_network.int8_inference(pairs, x)

        contenders = {
            OURS: unitgain,
            REFERENCE: lambda: Contender.of(lambda: infer(pairs, x)),
            "ONNX Runtime": onnx,
        }
        return Trial(contenders, INT8_TOLERANCE)

    network_name = "-".join(str(size) for size in sizes)
    title = f"inference, {network_name}, {rows} row{'s' if rows > 1 else ''}, int8"
    return Case(f"inference/{network_name}/{rows}-int8", title, prepare, large=sizes[1] > 1000)
