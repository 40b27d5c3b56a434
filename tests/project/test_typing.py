"""A type checker's findings in users' programs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import unitgain

pytest.importorskip("mypy")

PROGRAM = """
import numpy as np
from numpy.typing import NDArray
import unitgain as ug
from unitgain import layers

x = layers.Input((4,))
hidden = layers.Dense(3, activation="relu")(x)
reveal_type(hidden)
graph = ug.Model(x, layers.Dense(1)(hidden))
named = ug.Model(inputs=x, outputs=hidden, name="named")
reveal_type(graph)
chain = ug.Sequential([layers.Input((4,)), layers.Dense(3)])
reveal_type(chain)
chain.compile("adam", "mse", metrics=["mae"])
rows: NDArray[np.float32] = np.ones((5, 4), np.float32)
reveal_type(chain(rows))
reveal_type(chain.predict(rows))
reveal_type(chain(x))
reveal_type(chain.evaluate(rows, rows[:, :3], return_dict=True))
reveal_type(chain.evaluate(rows, rows[:, :3]))
reveal_type(layers.Dense(2)(rows))
reveal_type(chain.fit(rows, rows[:, :3], verbose=0))


class Own(ug.Model):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = layers.Dense(3)

    def call(self, inputs: layers.SymbolicTensor) -> layers.SymbolicTensor:
        return self.hidden(inputs)


reveal_type(Own())
"""

REVEALED = [
    "SymbolicTensor",
    "Model",
    "Sequential",
    "ndarray",
    "ndarray",
    "SymbolicTensor",
    "dict[str, Any]",
    "float | list[Any]",
    "ndarray",
    "History",
    "Own",
]


def test_a_program_passes_mypy_strict_and_has_types(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    source = Path(unitgain.__file__).parent.parent
    outside = {} if source.name == "site-packages" else {"MYPYPATH": str(source)}
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **outside},
    )
    errors = [line for line in run.stdout.splitlines() if "error:" in line]
    assert not [line for line in errors if "program.py" in line], run.stdout
    found = [
        line.split("Revealed type is ")[1] for line in run.stdout.splitlines() if "Revealed" in line
    ]
    assert len(found) == len(REVEALED), run.stdout
    for text, expected in zip(found, REVEALED, strict=True):
        assert expected in text
