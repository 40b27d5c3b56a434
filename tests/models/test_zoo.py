"""The shipped networks: what their cards say, and that their programs make them again."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import unitgain as ug
from unitgain import layers
from unitgain.formats import safetensors
from unitgain.zoo.cards import Card, card_path

ROOT = Path(__file__).parents[2]
SHIPPED = Path(ug.zoo.__file__).parent
CARD = Card("Adds.", "x", "me", "CC0", "2 numbers", "1 number", "none", {"mse": 1}, "2026-01-01")


def test_data(name):
    """The part of a network's data set that it has not seen, by its card."""
    if name.startswith("digits"):
        x, y = ug.datasets.load_digits()[1]
        return (x, x) if name == "digits_autoencoder" else (x, y)
    sets = pytest.importorskip("sklearn.datasets")
    options = {"scaled": False} if name == "diabetes_mlp" else {}
    data = getattr(sets, f"load_{name.removesuffix('_mlp')}")(**options)
    held_out = np.arange(len(data.target)) % 4 == 0
    return data.data[held_out].astype(np.float32), data.target[held_out]


test_data.__test__ = False


def test_all_together_are_below_half_a_megabyte():
    files = [path for path in SHIPPED.iterdir() if path.suffix in (".json", ".safetensors")]
    assert len(files) == 2 * len(ug.zoo.list()) >= 12
    assert sum(path.stat().st_size for path in files) < 500_000


@pytest.mark.parametrize("name", ug.zoo.list())
def test_scores_are_those_of_the_card(name):
    found = ug.zoo.load(name).evaluate(*test_data(name), return_dict=True, verbose=0)
    # Instruction sets round differently; a score has four places.
    assert found == pytest.approx(dict(ug.zoo.card(name).scores), rel=1e-3, abs=2e-4)


@pytest.mark.parametrize("name", ug.zoo.list())
def test_cards_say_all_and_are_true(name):
    model, card = ug.zoo.load(name), ug.zoo.card(name)
    assert model.count_params() == card.parameters
    assert model.dtype == "float32"
    assert all(getattr(card, field.name) for field in dataclasses.fields(card)[:10])
    assert (ROOT / card.script).exists()
    assert card.classes == () or len(card.classes) == max(2, model.output_shape[-1])
    text = str(card)
    assert card.licence in text
    assert card.architecture in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ug.zoo.list())
def test_the_program_makes_the_weights_again_to_the_bit(name, tmp_path):
    card = ug.zoo.card(name)
    if ("baseline", "") not in ug._native.variants() or os.uname().machine != "x86_64":
        pytest.skip("trained on the baseline of x86-64")
    if not name.startswith("digits"):
        pytest.importorskip("sklearn")
    environment = {**os.environ, "UNITGAIN_ISA": card.instruction_set, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ROOT / card.script, tmp_path]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
    made, _ = safetensors.read(tmp_path / f"{name}.safetensors")
    shipped, _ = safetensors.read(SHIPPED / f"{name}.safetensors")
    assert made.keys() == shipped.keys()
    for key, array in shipped.items():
        assert made[key].tobytes() == array.tobytes(), key
    again = Card.from_json((tmp_path / f"{name}.json").read_text())
    assert again.scores == card.scores


def test_the_autoencoder_has_its_halves():
    model = ug.zoo.load("digits_autoencoder")
    x = ug.datasets.load_digits()[1][0]
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    assert encoder.output_shape == (12,)
    np.testing.assert_allclose(decoder(encoder(x)), model(x), rtol=1e-5, atol=1e-6)


def test_a_name_that_is_not_there_has_a_near_one():
    with pytest.raises(ValueError, match=r"did you mean 'digits_mlp'\?; or the path"):
        ug.zoo.load("digit_mlp")
    with pytest.raises(ValueError, match="expected one of breast_cancer_mlp"):
        ug.zoo.card("iris")


@pytest.fixture
def model():
    made = ug.Sequential([layers.Input((2,)), layers.Dense(3, "relu"), layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


def test_ones_own_model_is_loaded_by_file_and_by_folder(model, tmp_path):
    path = tmp_path / "adder.safetensors"
    written = ug.zoo.save(model, path, CARD)
    x = np.ones((4, 2), np.float32)
    for name in (path, str(path), tmp_path):
        np.testing.assert_array_equal(ug.zoo.load(name)(x), model(x))
        assert ug.zoo.card(name) == written
    assert written.architecture == "Dense(3, relu), Dense(1)"
    assert written.parameters == 13
    assert written.instruction_set == ug._native.active_variant()
    with pytest.raises(FileExistsError):
        ug.zoo.save(model, path, CARD, overwrite=False)


def test_a_card_must_be_there_and_be_the_files_own(model, tmp_path):
    path = tmp_path / "adder.safetensors"
    with pytest.raises(ValueError, match="holds 0 files"):
        ug.zoo.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        ug.zoo.load(path)
    model.save(path)
    with pytest.raises(ValueError, match=r"has no card: there is no file adder\.json"):
        ug.zoo.load(path)
    ug.zoo.save(model, path, CARD)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    model.save(path)
    with pytest.raises(ValueError, match="the card of another file"):
        ug.zoo.load(path)
    model.save(tmp_path / "second.safetensors")
    with pytest.raises(ValueError, match="holds 2 files"):
        ug.zoo.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": 3}, "the card's task is 3"),
        ({"scores": {"mse": "low"}}, "the card's scores"),
        ({"classes": "ab"}, "the card's classes"),
        ({"lisence": "MIT"}, "did you mean 'licence'"),
        ({"date": None}, "the card's date is None"),
    ],
)
def test_damaged_cards_are_errors_that_say_where(model, tmp_path, change, message):
    path = tmp_path / "adder.safetensors"
    ug.zoo.save(model, path, CARD)
    found = json.loads(card_path(path).read_text()) | change
    card_path(path).write_text(json.dumps(found))
    with pytest.raises(ValueError, match=message):
        ug.zoo.load(path)
    card_path(path).write_text("[")
    with pytest.raises(ValueError, match="is no card"):
        ug.zoo.load(path)
