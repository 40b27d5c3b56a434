"""The benchmarks' dense network in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from .case import Array, Contender
from .extras import Extras
from .numpy_reference import EPSILON, MOMENTUM, WELL_FITTED, Network
from .timing import fastest


def _linear(kernel: Array, bias: Array | None) -> torch.nn.Linear:
    layer = torch.nn.Linear(*kernel.shape, bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
        if bias is not None:
            layer.bias.copy_(torch.from_numpy(bias))
    return layer


def _modules(network: Network) -> list[Any]:
    modules: list[Any] = []
    for layer in network.layers:
        modules.append(_linear(layer.kernel, layer.bias))
        if layer.gamma is not None:
            units = layer.kernel.shape[1]
            modules.append(torch.nn.BatchNorm1d(units, eps=EPSILON, momentum=1 - MOMENTUM))
        modules.append(torch.nn.ReLU())
        if network.dropout:
            modules.append(torch.nn.Dropout(network.dropout))
    return modules[: -2 if network.dropout else -1]


def training(
    network: Network, x: Array, y: Array, steps: int, *, bfloat16: bool = False
) -> Contender:
    """Return training from the reference network's weights, on one batch, by fused Adam.

    The losses that are compared are without dropout.
    """
    model = torch.nn.Sequential(*_modules(network))
    optimizer = torch.optim.Adam(model.parameters(), network.learning_rate, fused=True)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    loss_of = torch.nn.MSELoss() if network.regression else torch.nn.CrossEntropyLoss()

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        if bfloat16:
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model(inputs), targets)
        else:
            loss = loss_of(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    def losses() -> list[float]:
        dropouts = [module for module in model if isinstance(module, torch.nn.Dropout)]
        for module in dropouts:
            module.p = 0.0
        values = []
        for count in range(1, steps + 1):
            # PyTorch adds epsilon to the bias-corrected root, Keras to the root itself.
            optimizer.param_groups[0]["eps"] = network.epsilon / math.sqrt(1 - 0.999**count)
            values.append(step())
        for module in dropouts:
            module.p = network.dropout
        return values

    return Contender(step, losses)


def inference(pairs: Sequence[tuple[Array, Array]], x: Array) -> Contender:
    """Return inference with the given (kernel, bias) of each layer, compiled or not."""
    modules: list[Any] = []
    for kernel, bias in pairs:
        modules += [_linear(kernel, bias), torch.nn.ReLU()]
    model = torch.nn.Sequential(*modules[:-1]).eval()
    inputs = torch.from_numpy(x)
    with torch.inference_mode():
        compiled = torch.jit.optimize_for_inference(
            torch.jit.freeze(torch.jit.trace(model, inputs))
        )

    @torch.inference_mode()
    def eager() -> Any:
        return model(inputs)

    @torch.inference_mode()
    def frozen() -> Any:
        return compiled(inputs)

    return Contender.of(fastest(eager, frozen))


def fitting(
    network: Network, x: Array, y: Array, batch: int, epochs: int, extras: Extras | None
) -> Contender:
    """Return epochs over all samples in a new order each."""
    model = torch.nn.Sequential(*_modules(network))
    penalty = extras.l2 if extras else 0.0
    optimizer = torch.optim.Adam(
        model.parameters(), network.learning_rate, weight_decay=penalty, fused=True
    )
    inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
    loss_of = torch.nn.CrossEntropyLoss()
    held_out = int(len(x) * extras.validation) if extras else 0
    trained = len(x) - held_out

    def run() -> float:
        if extras:
            schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, extras.decay)
        for _ in range(epochs):
            right = torch.zeros((), dtype=torch.int64)
            for rows in torch.randperm(trained).split(batch):
                optimizer.zero_grad(set_to_none=True)
                outputs, wanted = model(inputs[rows]), labels[rows]
                loss = loss_of(outputs, wanted)
                loss.backward()
                if extras:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), extras.clipnorm)
                    right += (outputs.argmax(1) == wanted).sum()
                optimizer.step()
                if extras:
                    schedule.step()
            if extras:
                with torch.inference_mode():
                    outputs, wanted = model(inputs[trained:]), labels[trained:]
                    loss_of(outputs, wanted), (outputs.argmax(1) == wanted).sum()
        return float(loss_of(model(inputs), labels).detach() < WELL_FITTED)

    return Contender.of(run)
