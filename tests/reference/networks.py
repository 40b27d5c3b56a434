"""Losses of 200 steps of Adam in PyTorch, for networks that the tests train alike.

    python tests/reference/networks.py

writes ``networks.npz`` beside this file: for each network and dtype the loss of each step's batch,
and the outputs in training mode of the first batch afterwards. The tests need no PyTorch.
"""

import itertools
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_suffix(".npz")
DTYPES = ("float32", "float64")
NETWORKS = ("plain", "batch norm", "selu")
FEATURES, WIDTH, CLASSES = 12, 16, 4
SAMPLES, BATCH, STEPS = 256, 32, 200
RATE, EPSILON, MOMENTUM = 0.01, 1e-3, 0.99
# Keras adds Adam's epsilon to the root of the uncorrected second moment, PyTorch to that of the
# corrected one. So small, it makes no difference.
ADAM_EPSILON = 1e-30


def data():
    """Return points, of values that float32 holds, and labels by a function of the points."""
    rng = np.random.default_rng(31)
    x = rng.standard_normal((SAMPLES, FEATURES)).astype(np.float32).astype(np.float64)
    y = 2 * (x[:, 0] * x[:, 1] > 0) + (x[:, 2] + np.abs(x[:, 3]) > 0.5)
    return x, y


def batch(step):
    """Return the rows of a step's batch."""
    return (np.arange(BATCH) + step * BATCH) % SAMPLES


def kernels():
    """Return the initial kernels, of variance 1 / inputs. All biases are 0."""
    rng = np.random.default_rng(32)
    sizes = [FEATURES, WIDTH, WIDTH, WIDTH, CLASSES]
    return [
        (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
        for shape in itertools.pairwise(sizes)
    ]


def network(name, dtype):
    """Return PyTorch's network."""
    import torch
    from torch import nn

    layers = []
    for i, kernel in enumerate(kernels()):
        last = i == len(kernels()) - 1
        # A bias in front of batch norm has no effect, and a gradient of nothing but rounding.
        with_bias = last or name != "batch norm"
        dense = nn.Linear(*kernel.shape, bias=with_bias)
        with torch.no_grad():
            dense.weight.copy_(torch.tensor(kernel.T.copy()))
            if with_bias:
                dense.bias.zero_()
        layers.append(dense)
        if not last:
            if name == "batch norm":
                layers.append(nn.BatchNorm1d(WIDTH, eps=EPSILON, momentum=1 - MOMENTUM))
            layers.append({"selu": nn.SELU(), "plain": nn.Tanh()}.get(name, nn.ReLU()))
    return nn.Sequential(*layers).to(dtype)


def curve(name, dtype):
    """Return the losses and the last outputs."""
    import torch

    kind = getattr(torch, dtype)
    model = network(name, kind)
    optimizer = torch.optim.Adam(model.parameters(), RATE, eps=ADAM_EPSILON)
    x, y = (torch.tensor(values) for values in data())
    losses = []
    for step in range(STEPS):
        rows = batch(step)
        loss = torch.nn.functional.cross_entropy(model(x[rows].to(kind)), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses, dtype), model(x[batch(0)].to(kind)).detach().numpy()


def main():
    """Write the file."""
    stored = {}
    for name in NETWORKS:
        for dtype in DTYPES:
            losses, outputs = curve(name, dtype)
            stored[f"{name}/{dtype}/losses"], stored[f"{name}/{dtype}/outputs"] = losses, outputs
    np.savez_compressed(FILE, **stored)


if __name__ == "__main__":
    main()
