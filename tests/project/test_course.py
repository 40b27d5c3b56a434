"""The programs of docs/course reach what their first lines promise, in fewer than 40 lines."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "course"
# What main() returns at least.
PROMISED = {
    "autoencoder": 0.15,
    "batch_norm": 0.95,
    "mc_dropout": 0.99,
    "mlp_classifier": 0.97,
    "mlp_regressor": 0.4,
    "multi_label": 0.97,
    "one_cycle": 0.96,
    "selu_net": 0.9,
    "transfer": 0.05,
    "wide_and_deep": 0.97,
}


def test_every_program_promises_something():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(PROMISED)


@pytest.mark.parametrize("name", PROMISED)
def test_programs_reach_what_they_promise(name):
    path = FOLDER / f"{name}.py"
    code = path.read_text(encoding="utf-8")
    assert len(code.splitlines()) < 40
    promised = f"{PROMISED[name]:g}" if name == "mlp_regressor" else f"{100 * PROMISED[name]:g}%"
    assert promised in code.splitlines()[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main() >= PROMISED[name]
