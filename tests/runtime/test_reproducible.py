"""The same bits on every instruction set, where that is asked for."""

import os
import subprocess
import sys

import numpy as np
import pytest

import unitgain as ug
from unitgain import _native, layers

VARIANTS = [name for name, missing in _native.variants() if not missing]

# Trains a network, and does linear algebra; prints a digest of all bits.
PROGRAM = """
import hashlib, sys
import numpy as np
import unitgain as ug
from unitgain import layers

mode, when = sys.argv[1:]
rng = np.random.default_rng(0)
a, b = rng.standard_normal((2, 300, 700), dtype=np.float32)
if when == "first":
    ug.set_reproducible(mode)
ug.matmul(a, b.T)
if when == "later":
    ug.set_reproducible(mode)
(x, y), _ = ug.datasets.load_digits()
ug.random.seed(7)
model = ug.Sequential([
    layers.Input((64,)), layers.Dense(48, "gelu"), layers.BatchNormalization(),
    layers.Dropout(0.3), layers.LayerNormalization(), layers.Dense(300, "selu"),
    layers.Dense(10, "softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y, batch_size=100, epochs=2, verbose=0)
found = [*model.get_weights(), model(x[:33]), ug.matmul(a, b.T), ug.matmul(a[0], b.T)]
found += [ug.linalg.pinv(a[:60, :90]), *ug.linalg.svd(a[:40, :30].astype(float))]
found += [ug.cluster.KMeans(4, random_state=0).fit(x).cluster_centers_]
digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in found))
print(digest.hexdigest())
"""


def digest(isa, mode, when="first", **environment):
    settings = {**os.environ, "UNITGAIN_ISA": isa, **environment}
    command = [sys.executable, "-c", PROGRAM, mode, when]
    return subprocess.run(command, env=settings, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_every_instruction_set_gives_the_same_bits():
    expected = digest("baseline", "machine")
    for isa in VARIANTS:
        assert digest(isa, "machine", OMP_NUM_THREADS="1") == expected
        assert digest(isa, "machine", "later") == expected


@pytest.mark.slow
@pytest.mark.skipif(len(VARIANTS) < 2, reason="needs two instruction sets")
def test_without_it_they_differ():
    found = [digest(isa, "threads") for isa in VARIANTS[:2]]
    assert found[0] != found[1]


@pytest.fixture
def model():
    ug.random.seed(1)
    return ug.Sequential([layers.Input((64,)), layers.Dense(40, "gelu"), layers.Dense(10)])


def test_it_can_be_switched_on_and_off_at_any_time(model):
    x = ug.datasets.load_digits()[0][0][:200]
    before, variant = model(x), _native.active_variant()
    ug.set_reproducible("machine")
    assert ug.reproducible() == "machine"
    assert _native.active_variant() == "baseline"
    same_everywhere = model(x)
    ug.set_reproducible("threads")
    assert ug.reproducible() == "threads"
    assert _native.active_variant() == variant
    np.testing.assert_array_equal(model(x), before)
    np.testing.assert_allclose(same_everywhere, before, rtol=1e-4, atol=1e-5)
    ug.set_reproducible("machine")
    np.testing.assert_array_equal(model(x), same_everywhere)


@pytest.mark.skipif(_native.active_variant() == "baseline", reason="the kernels are the same")
def test_what_was_packed_before_is_refused(model):
    x = np.ones((3, 64), np.float32)
    predictor, packed = model.optimize_for_inference(), ug.ops.PackedMatrix(np.ones((64, 40)))
    ug.set_reproducible("machine")
    with pytest.raises(ValueError, match="packed before set_reproducible was called"):
        predictor(x)
    with pytest.raises(ValueError, match="packed before set_reproducible was called"):
        ug.matmul(np.ones((3, 64)), packed)
    np.testing.assert_allclose(model.optimize_for_inference()(x), model(x), rtol=1e-5, atol=1e-6)
    ug.set_reproducible("threads")
    np.testing.assert_allclose(predictor(x), model(x), rtol=1e-4, atol=1e-5)


def test_what_runs_is_shown(capsys):
    ug.set_reproducible("machine")
    ug.show_config()
    shown = capsys.readouterr().out
    assert 'instruction set: baseline (the same everywhere: set_reproducible("machine"))' in shown


def test_an_unknown_setting_is_an_error():
    with pytest.raises(ValueError, match="did you mean 'machine'"):
        ug.set_reproducible("machines")
