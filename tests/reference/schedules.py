"""Writes schedules.npz: learning rates by Keras 3 and PyTorch, for the test of schedules.

Needs Keras and PyTorch: ``KERAS_BACKEND=torch python tests/reference/schedules.py``.
"""

from pathlib import Path

import keras
import numpy as np
import torch
from schedules_cases import CASES, ONE_CYCLES, STEPS


def one_cycle(arguments):
    """PyTorch's rates and momenta."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, **arguments)
    found = []
    for _ in range(arguments["total_steps"]):
        group = optimizer.param_groups[0]
        found.append((group["lr"], group["momentum"]))
        optimizer.step()
        if len(found) < arguments["total_steps"]:
            schedule.step()
    return np.array(found)


values = {}
for i, (name, arguments) in enumerate(CASES):
    schedule = getattr(keras.optimizers.schedules, name)(**arguments)
    values[f"keras{i}"] = np.array([float(schedule(step)) for step in STEPS])
for i, arguments in enumerate(ONE_CYCLES):
    values[f"one_cycle{i}"] = one_cycle(arguments)
np.savez_compressed(Path(__file__).with_suffix(".npz"), **values)
