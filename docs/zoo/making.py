"""The common part of the programs of this folder.

Each makes one network of ``unitgain.zoo`` again, with the bits of the shipped one, on every machine
that has the instruction set named on the network's card::

    UNITGAIN_ISA=baseline python docs/zoo/digits_mlp.py [FOLDER]
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import unitgain as ug

SHIPPED = Path(__file__).parents[2] / "python" / "unitgain" / "zoo"
DIGITS = {
    "data": "Optical Recognition of Handwritten Digits: 1,797 images of 8 x 8 pixels by 13 people, "
    "of which the network has seen 1,347 (the training part of unitgain.datasets.load_digits)",
    "source": "E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998, "
    "https://doi.org/10.24432/C50P49",
    "licence": "CC BY 4.0",
    "inputs": "64 pixels, row by row, from 0 (paper) to 1 (ink)",
}
SPLIT = "every fourth, beginning with the first, is in the test part and was not seen"


def split(x: np.ndarray, y: np.ndarray) -> tuple[tuple, tuple]:
    """Return a data set's training and test part: every fourth sample is in the latter."""
    held_out = np.arange(len(y)) % 4 == 0
    return (x[~held_out], y[~held_out]), (x[held_out], y[held_out])


def finish(model: ug.Model, loss: str, metrics: list, test: tuple) -> dict[str, float]:
    """Compile the model as it is shipped, without an optimizer's state, and return its scores."""
    model.compile("sgd", loss, metrics)
    scores = model.evaluate(*test, return_dict=True, verbose=0)
    return {name: round(float(score), 4) for name, score in scores.items()}


def write(name: str, make: Callable[[], tuple[ug.Model, ug.zoo.Card]]) -> None:
    """Make a network, and write it to the folder named on the command line."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED
    model, card = make()
    print(ug.zoo.save(model, folder / f"{name}.safetensors", card))
