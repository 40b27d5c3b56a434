"""The demo: the accuracy it must reach, the table it prints, the figure it draws."""

import struct
from statistics import median

import pytest

from unitgain import cli, demo, plotting
from unitgain.benchmarks import timing

FAST = timing.Effort(rounds=1, seconds=1e-4, rest=0.0)


@pytest.fixture(scope="module")
def measurements():
    return demo.compare(FAST)


def test_median_accuracy_of_five_seeds_is_at_least_97_5_percent():
    assert demo.EPOCHS <= 30
    accuracies = [demo.train(seed=seed, verbose=0).accuracy for seed in range(5)]
    assert median(accuracies) >= 0.975, accuracies


def test_training_is_the_same_for_the_same_seed():
    first, second = (demo.train(seed=3, epochs=2, verbose=0) for _ in range(2))
    assert first.history == second.history
    assert demo.train(seed=4, epochs=2, verbose=0).history != first.history


def test_history_has_both_parts_for_every_epoch():
    training = demo.train(epochs=3, verbose=0)
    for key in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert len(training.history[key]) == 3
    assert training.accuracy == pytest.approx(training.history["val_accuracy"][-1])


def test_unitgain_and_numpy_agree_in_every_row(measurements):
    assert len(measurements) == 2 * len(demo.COMPARED)
    assert all(m.agrees for m in measurements)


def test_table_has_a_row_for_each_operation(measurements):
    lines = demo.comparison_table(measurements).splitlines()
    assert lines[0].split() == ["operation", "unitgain", "NumPy", "ratio", "largest", "difference"]
    assert len(lines) == 2 + len(demo.COMPARED)
    subjects = ("matrix product", "tanh", "batch norm", "pseudoinverse", "training step")
    assert all(line.startswith(word) for line, word in zip(lines[2:], subjects, strict=True))


def test_demo_prints_accuracy_and_table_and_draws(capsys, tmp_path, monkeypatch, measurements):
    monkeypatch.setattr(demo, "compare", lambda: measurements)
    file = tmp_path / "out.png"
    assert cli.main(["demo", "--epochs", "2", "--plot", str(file)]) == 0
    out = capsys.readouterr().out
    assert "Of 450 digits it had not seen" in out
    assert demo.comparison_table(measurements) in out
    assert png_size(file) == (1500, 1170)


def test_demo_fails_if_a_row_disagrees(capsys, monkeypatch, measurements):
    wrong = [m.__class__(**{**vars(m), "difference": 1.0}) for m in measurements]
    monkeypatch.setattr(demo, "compare", lambda: wrong)
    assert demo.run(epochs=1) == 1
    assert "NOT all within rounding" in capsys.readouterr().out


@pytest.mark.parametrize("epochs", [1, 2])
def test_figure_is_drawn_for_any_number_of_epochs(epochs, tmp_path, measurements):
    training = demo.train(epochs=epochs, verbose=0)
    for name in ("out.png", "out.svg"):
        plotting.draw_demo(training, measurements, "a heading", tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5000


def png_size(file):
    header = file.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", header[16:])
