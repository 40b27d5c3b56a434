"""The benchmarks' dense network in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from .case import Array, Contender
from .numpy_reference import EPSILON, MOMENTUM, Network


def _linear(kernel: Array, bias: Array | None) -> torch.nn.Linear:
    layer = torch.nn.Linear(*kernel.shape, bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
        if bias is not None:
            layer.bias.copy_(torch.from_numpy(bias))
    return layer


def training(network: Network, x: Array, y: Array, steps: int) -> Contender:
    """Return training from the reference network's weights, on one batch, by fused Adam."""
    modules: list[Any] = []
    for layer in network.layers:
        modules.append(_linear(layer.kernel, layer.bias))
        if layer.gamma is not None:
            units = layer.kernel.shape[1]
            modules.append(torch.nn.BatchNorm1d(units, eps=EPSILON, momentum=1 - MOMENTUM))
        modules.append(torch.nn.ReLU())
    model = torch.nn.Sequential(*modules[:-1])
    optimizer = torch.optim.Adam(model.parameters(), network.learning_rate, fused=True)
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    loss_of = torch.nn.CrossEntropyLoss()

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(inputs), labels)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    def losses() -> list[float]:
        values = []
        for count in range(1, steps + 1):
            # PyTorch adds epsilon to the bias-corrected root, Keras to the root itself.
            optimizer.param_groups[0]["eps"] = network.epsilon / math.sqrt(1 - 0.999**count)
            values.append(step())
        return values

    return Contender(step, losses)


def inference(pairs: Sequence[tuple[Array, Array]], x: Array) -> Contender:
    """Return inference with the given (kernel, bias) of each layer."""
    modules: list[Any] = []
    for kernel, bias in pairs:
        modules += [_linear(kernel, bias), torch.nn.ReLU()]
    model = torch.nn.Sequential(*modules[:-1]).eval()
    inputs = torch.from_numpy(x)

    @torch.inference_mode()
    def run() -> Any:
        return model(inputs)

    return Contender.of(run)
